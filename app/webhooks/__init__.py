"""Agencies' own systems: events out, signed and never lost; told again until they are taken."""
