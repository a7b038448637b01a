"""Questions about synchronising."""
