"""Bytes of photos: checked, made anew without metadata, and stored before anybody relies on them."""
