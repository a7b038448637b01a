"""Copies of a whole installation: taken while it runs, and put back in its place."""
