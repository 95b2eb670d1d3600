"""Keys at rest: Web3 Secret Storage files (keystore V3, scrypt), readable by every Ethereum client."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from node.errors import ConfigError, PermissionDenied
from node.keys.secp256k1 import PrivateKey

SCRYPT_N = 262_144
"""Work factor of the standard's strong setting: about half a second and 256 MiB."""
SCRYPT_N_LIGHT = 4_096
"""Work factor of the standard's light setting, for keys of demo networks that live for minutes."""
KEY_FILE_MODE = 0o600
KEYSTORE_BYTES_MAX = 16 * 1024


def save_keystore(path: Path, key: PrivateKey, password: str, *, light: bool = False) -> None:
    """Write ``key`` encrypted under ``password`` to a new file of mode 0600, synced to disk.

    Raises ConfigError where the file exists (a key is never overwritten) or cannot be written.
    """
    from eth_keyfile.keyfile import create_keyfile_json  # loads pairing tables unless py-evm's room deferred them

    work = SCRYPT_N_LIGHT if light else SCRYPT_N
    document = create_keyfile_json(key.secret_bytes(), password.encode(), kdf="scrypt", iterations=work)
    write_secret_file(path, json.dumps(document, sort_keys=True).encode())


def load_keystore(path: Path, password: str) -> PrivateKey:
    """Read a V3 keystore.

    Raises PermissionDenied where others may read the file, ConfigError where it is missing, malformed, or the
    password is wrong.
    """
    from eth_keyfile.keyfile import decode_keyfile_json

    text = read_secret_file(path)
    try:
        document = json.loads(text)
        secret = bytes(decode_keyfile_json(document, password.encode()))
    except (ValueError, KeyError, TypeError, AttributeError, MemoryError, NotImplementedError) as error:
        reason = "the password is wrong" if "MAC mismatch" in str(error) else "it is no V3 keystore"
        raise ConfigError(f"cannot open the keystore {path}: {reason}", field="keystore") from error
    return PrivateKey.from_bytes(secret)


def write_secret_file(path: Path, content: bytes) -> None:
    """Create ``path`` with mode 0600 and sync it; ConfigError where it exists or cannot be written."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, KEY_FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise ConfigError(f"{path} exists; a key file is never overwritten", field="path") from error
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}", field="path") from error


def read_secret_file(path: Path) -> bytes:
    """The content of a small secret file that only its owner may read or write.

    Raises PermissionDenied where group or others have any right to it, ConfigError where it cannot be read or is
    larger than a keystore can be.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise PermissionDenied(
                    f"{path} has mode {mode:04o}: others may use it; run chmod 600 on it", field="path"
                )
            content = file.read(KEYSTORE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", field="path") from error
    if len(content) > KEYSTORE_BYTES_MAX:
        raise ConfigError(f"{path} is larger than {KEYSTORE_BYTES_MAX} bytes", field="path")
    return content
