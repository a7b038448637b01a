"""Tests of the room agencies."""
