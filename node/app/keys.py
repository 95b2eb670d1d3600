"""The keys in a node's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from node.keys import PrivateKey
from node.keys.keystore import load_keystore, read_secret_file


@dataclass(frozen=True)
class NodeKeys:
    """The keys in a node's folder; an observer has no validator key."""

    validator: PrivateKey | None
    business: PrivateKey

    @property
    def transport(self) -> PrivateKey:
        """The key to which the TLS certificate is bound."""
        return self.validator if self.validator is not None else self.business

    @classmethod
    def load(cls, directory: Path, *, observer: bool, business: PrivateKey | None = None) -> NodeKeys:
        """Open the keystores with the passwords beside them (``business``: that one is open already). ConfigError or
        PermissionDenied names the file."""
        validator = None if observer else open_key(directory, "validator")
        return cls(validator, business or open_key(directory, "business"))


def open_key(directory: Path, use: str) -> PrivateKey:
    """One keystore, by the password beside it."""
    password = read_secret_file(directory / f"{use}.password").decode().strip()
    return load_keystore(directory / f"{use}.json", password)
