"""Tests of the room `areas`."""
