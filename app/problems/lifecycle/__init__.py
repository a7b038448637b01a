"""The life of a problem, pure: what it is, what can be done with it, and what each thing done makes of it."""
