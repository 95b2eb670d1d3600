"""A bank's encryption key (X25519): used for nothing but opening what is sealed for the bank."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from node.errors import ConfigError
from node.keys.keystore import read_secret_file, write_secret_file

KEY_BYTES = 32


class EncryptionKey:
    """The private half. ``public`` is what stands in Consortium."""

    def __init__(self, private: X25519PrivateKey) -> None:
        self.private = private

    @classmethod
    def generate(cls) -> EncryptionKey:
        """A new random key."""
        return cls(X25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, secret: bytes) -> EncryptionKey:
        """From 32 raw bytes; ConfigError for another length."""
        if len(secret) != KEY_BYTES:
            raise ConfigError(f"an encryption key has {KEY_BYTES} bytes, not {len(secret)}", field="encryption_key")
        return cls(X25519PrivateKey.from_private_bytes(secret))

    @classmethod
    def load(cls, path: Path) -> EncryptionKey:
        """Read a hex file that only its owner can read (ConfigError, PermissionDenied otherwise)."""
        try:
            return cls.from_bytes(bytes.fromhex(read_secret_file(path).decode("ascii").strip()))
        except ValueError:
            raise ConfigError(f"{path} holds no encryption key", field="encryption_key") from None

    def save(self, path: Path) -> None:
        """Write a new hex file of mode 0600."""
        write_secret_file(path, self.private.private_bytes_raw().hex().encode() + b"\n")

    @property
    def public(self) -> bytes:
        """32 bytes."""
        return self.private.public_key().public_bytes_raw()


def public_key(raw: bytes) -> X25519PublicKey:
    """A recipient's key from Consortium; ConfigError for another length."""
    if len(raw) != KEY_BYTES:
        raise ConfigError(f"an encryption key has {KEY_BYTES} bytes, not {len(raw)}", field="encryption_key")
    return X25519PublicKey.from_public_bytes(raw)
