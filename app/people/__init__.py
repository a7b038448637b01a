"""People: accounts, the posts they hold for a time, their devices, and the Actor that a request acts as."""
