"""Killing a real server again and again while clients write: whatever was acknowledged must be there."""
