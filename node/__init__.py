"""The chain node of one bank: floors 0 to 8 of the house (ARCHITECTURE.md)."""

import os

os.environ.setdefault("ETH_HASH_BACKEND", "pysha3")  # the C extension that node.keys uses too; the default is slower
