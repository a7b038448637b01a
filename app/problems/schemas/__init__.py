"""Wire shapes of problems: what is said, one shape a verb, and what is answered."""
