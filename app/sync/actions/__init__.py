"""Writing what phones bring, and what the kecamatan notes of it."""
