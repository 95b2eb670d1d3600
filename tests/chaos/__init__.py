"""Real faults on real processes: a nemesis, clients with a history, and a checker of both. ``scripts/chaos``."""
