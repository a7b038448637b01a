"""Questions about problems."""
