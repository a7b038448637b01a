"""Changing accounts, posts and devices."""
