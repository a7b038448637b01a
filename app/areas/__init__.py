"""Where: the official tree of territory, by Kemendagri code."""
