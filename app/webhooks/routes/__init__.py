"""HTTP of endpoints, events and deliveries."""
