"""HTTP of synchronising."""
