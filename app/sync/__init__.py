"""The phones' door: what happened goes down as documents, what was done offline comes up as operations."""
