"""Tests of the house itself: what must hold for every room."""
