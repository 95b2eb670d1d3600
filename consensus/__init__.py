"""A PBFT replica as a pure function of events: standard library only, no I/O (README.md)."""
