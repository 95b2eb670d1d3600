"""Floor 6: what the doors share."""
