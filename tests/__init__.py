"""The tests, room by room as the app has them."""
