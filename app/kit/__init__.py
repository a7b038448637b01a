"""What every room stands on: settings, database, clock, doors, refusals, rules; it knows nothing of our field."""
