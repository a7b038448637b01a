"""Registers that other systems and spreadsheets kept, taken in."""
