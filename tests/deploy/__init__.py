"""What an operator is given: image, compose file, units and proxy, each taken at its word and tried."""
