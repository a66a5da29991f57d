"""A test app whose models have model events."""
