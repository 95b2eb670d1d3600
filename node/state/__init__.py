"""World state: flat head store, write sets, and the Merkle-Patricia tries behind roots, proofs and history."""
