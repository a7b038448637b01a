"""Agencies without any system: a signed link opens one assignment, without an account."""
