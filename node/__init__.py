"""The chain node of one bank: floors 0 to 8 of the house (ARCHITECTURE.md)."""
