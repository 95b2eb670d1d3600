"""Replay of a chain from genesis with no trust in who serves it. Needs no network of its own, no key and no peer."""
