"""Ujung Tombak: every lurah's problems recorded, endorsed upward, and solved by the responsible agencies."""
