"""Whether the bench measures, never how fast."""
