"""Keys at rest: Web3 Secret Storage files (keystore V3, scrypt), readable by every Ethereum client."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import CTR

from node.errors import ConfigError, PermissionDenied
from node.keys.hashing import keccak256
from node.keys.secp256k1 import PrivateKey

SCRYPT_N = 262_144
"""Work factor of the standard's strong setting: about half a second and 256 MiB."""
SCRYPT_N_LIGHT = 4_096
"""Work factor of the standard's light setting, for keys of demo networks that live for minutes."""
KEY_FILE_MODE = 0o600
KEYSTORE_BYTES_MAX = 16 * 1024
SCRYPT_BYTES_MAX = 1024 * 1024 * 1024
"""Memory that a keystore may ask for: four times the standard's strong setting."""


def save_keystore(path: Path, key: PrivateKey, password: str, *, light: bool = False) -> None:
    """Write ``key`` encrypted under ``password`` to a new file of mode 0600, synced to disk.

    Raises ConfigError where the file exists (a key is never overwritten) or cannot be written.
    """
    from eth_account import Account  # a node that only reads its keys never needs it

    document = Account.encrypt(
        key.secret_bytes(), password, kdf="scrypt", iterations=SCRYPT_N_LIGHT if light else SCRYPT_N
    )
    write_secret_file(path, json.dumps(document, sort_keys=True).encode())


def load_keystore(path: Path, password: str) -> PrivateKey:
    """Read a V3 keystore.

    Raises PermissionDenied where others may read the file, ConfigError where it is missing, malformed, or the
    password is wrong.
    """
    text = read_secret_file(path)
    try:
        document = json.loads(text)
        secret = _decrypt(document, password)
    except (ValueError, KeyError, TypeError, AttributeError, MemoryError) as error:
        raise ConfigError(f"cannot open the keystore {path}: it is no V3 keystore", field="keystore") from error
    if secret is None:
        raise ConfigError(f"cannot open the keystore {path}: the password is wrong", field="keystore")
    return PrivateKey.from_bytes(secret)


def _decrypt(document: Any, password: str) -> bytes | None:
    """The secret in a V3 document with scrypt or PBKDF2 and AES-128-CTR (Web3 Secret Storage); None where the MAC does
    not fit the password. ValueError, KeyError or TypeError for anything else."""
    if document["version"] != 3:
        raise ValueError(f"version {document['version']}")
    crypto = document.get("crypto") or document["Crypto"]
    if crypto["cipher"] != "aes-128-ctr":
        raise ValueError(f"cipher {crypto['cipher']}")
    derived = _derive(crypto["kdf"], crypto["kdfparams"], password.encode())
    ciphertext = bytes.fromhex(crypto["ciphertext"])
    if not hmac.compare_digest(keccak256(derived[16:32] + ciphertext), bytes.fromhex(crypto["mac"])):
        return None
    decryptor = Cipher(AES128(derived[:16]), CTR(bytes.fromhex(crypto["cipherparams"]["iv"]))).decryptor()
    return decryptor.update(ciphertext) + decryptor.finalize()


def _derive(kdf: str, parameters: Any, password: bytes) -> bytes:
    salt, length = bytes.fromhex(parameters["salt"]), int(parameters["dklen"])
    if length < 32:
        raise ValueError(f"dklen {length}")
    if kdf == "scrypt":
        n, r, p = int(parameters["n"]), int(parameters["r"]), int(parameters["p"])
        return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, dklen=length, maxmem=SCRYPT_BYTES_MAX)
    if kdf == "pbkdf2" and parameters["prf"] == "hmac-sha256":
        return hashlib.pbkdf2_hmac("sha256", password, salt, int(parameters["c"]), length)
    raise ValueError(f"kdf {kdf}")


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
