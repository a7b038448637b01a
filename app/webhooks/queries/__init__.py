"""Questions about endpoints, events and deliveries."""
