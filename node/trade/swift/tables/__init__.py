"""Message definitions as data, one file for each standards release."""
