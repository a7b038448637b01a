"""What is done with endpoints, events and deliveries."""
