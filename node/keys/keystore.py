"""Keys at rest: Web3 Secret Storage files (keystore V3, scrypt), readable by every Ethereum client."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from node.errors import ConfigError, PermissionDenied
from node.keys.hashing import keccak256
from node.keys.secp256k1 import PrivateKey

SCRYPT_N = 262_144
"""Work factor of the standard's strong setting: about half a second and 256 MiB."""
SCRYPT_N_LIGHT = 4_096
"""Work factor of the standard's light setting, for keys of demo networks that live for minutes."""
SCRYPT_N_MAX, SCRYPT_R_MAX, SCRYPT_P_MAX = 2**20, 64, 16
SCRYPT_BYTES_MAX = 1024**3
PBKDF2_ROUNDS_MAX = 10_000_000
"""Bounds on what a keystore may ask of the machine that opens it."""
DERIVED_BYTES = 32
SECRET_BYTES = 32
KEY_FILE_MODE = 0o600
KEYSTORE_BYTES_MAX = 16 * 1024


def save_keystore(path: Path, key: PrivateKey, password: str, *, light: bool = False) -> None:
    """Write ``key`` encrypted under ``password`` to a new file of mode 0600, synced to disk.

    Raises ConfigError where the file exists (a key is never overwritten) or cannot be written.
    """
    from eth_keyfile.keyfile import create_keyfile_json

    work = SCRYPT_N_LIGHT if light else SCRYPT_N
    document = create_keyfile_json(key.secret_bytes(), password.encode(), kdf="scrypt", iterations=work)
    write_secret_file(path, json.dumps(document, sort_keys=True).encode())


def load_keystore(path: Path, password: str) -> PrivateKey:
    """Read a V3 keystore.

    Raises PermissionDenied where others may read the file, ConfigError where it is missing, malformed, or the
    password is wrong.
    """
    text = read_secret_file(path)
    try:
        secret = _decrypt(json.loads(text), password.encode())
    except _WrongPassword as error:
        raise ConfigError(f"cannot open the keystore {path}: the password is wrong", field="keystore") from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, MemoryError, RecursionError) as error:
        raise ConfigError(f"cannot open the keystore {path}: it is no V3 keystore", field="keystore") from error
    return PrivateKey.from_bytes(secret)


class _WrongPassword(ValueError):
    """The MAC does not match."""


def _decrypt(document: Any, password: bytes) -> bytes:
    """The secret in a V3 document. _WrongPassword, or ValueError, KeyError or TypeError where it is none.

    eth_keyfile writes our keystores; a node that starts reads them without it, since it loads pairings and a C parser
    for the other kinds, which takes as long as the rest of a node's modules together.
    """
    document = {name.lower(): value for name, value in document.items()}  # geth once wrote "Crypto"
    if document["version"] != 3:
        raise ValueError("another version")
    crypto = document["crypto"]
    if crypto["cipher"] != "aes-128-ctr":
        raise ValueError("another cipher")
    derived = _derive_key(crypto["kdf"], crypto["kdfparams"], password)
    text = bytes.fromhex(crypto["ciphertext"])
    if not hmac.compare_digest(keccak256(derived[16:32] + text), bytes.fromhex(crypto["mac"])):
        raise _WrongPassword("MAC mismatch")
    nonce = int(crypto["cipherparams"]["iv"], 16).to_bytes(16, "big")
    decryptor = Cipher(algorithms.AES(derived[:16]), modes.CTR(nonce)).decryptor()
    secret = decryptor.update(text) + decryptor.finalize()
    if len(secret) != SECRET_BYTES:
        raise ValueError("no secp256k1 key")
    return secret


def _derive_key(kind: str, parameters: Any, password: bytes) -> bytes:
    salt = bytes.fromhex(parameters["salt"])
    if parameters["dklen"] != DERIVED_BYTES:
        raise ValueError("another length of the derived key")
    if kind == "scrypt":
        n, r, p = (int(parameters[name]) for name in "nrp")
        if not (n <= SCRYPT_N_MAX and 0 < r <= SCRYPT_R_MAX and 0 < p <= SCRYPT_P_MAX):
            raise ValueError("scrypt beyond every known setting")
        if n >= 1 << (16 * r):  # RFC 7914 forbids it, and OpenSSL refuses; the definition's own test vector has it
            from Crypto.Protocol import KDF

            return bytes(KDF.scrypt(password, salt, DERIVED_BYTES, n, r, p))  # type: ignore[arg-type]
        return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=SCRYPT_BYTES_MAX, dklen=DERIVED_BYTES)
    if kind == "pbkdf2" and parameters["prf"] == "hmac-sha256":
        if not 0 < parameters["c"] <= PBKDF2_ROUNDS_MAX:
            raise ValueError("PBKDF2 beyond every known setting")
        return hashlib.pbkdf2_hmac("sha256", password, salt, parameters["c"], DERIVED_BYTES)
    raise ValueError("another key derivation")


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
