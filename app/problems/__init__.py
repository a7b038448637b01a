"""The heart: a problem and its assignments, one aggregate under one lock, moved by two tables of steps."""
