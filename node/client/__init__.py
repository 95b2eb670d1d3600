"""Floor 0: clients of a node's doors."""
