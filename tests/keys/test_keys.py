"""Keys, hashes, keystores and typed data, compared with eth-account and published vectors."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from node.errors import ConfigError, DataError, PermissionDenied
from node.keys import EMPTY_CODE_HASH, SECP256K1_VERIFIER, PrivateKey, keccak256, recover_address
from node.keys.keystore import load_keystore, save_keystore
from node.keys.secp256k1 import CURVE_ORDER, HALF_CURVE_ORDER, address_of_public_key
from node.keys.typed_data import eip712_digest, recover_eip712, sign_eip712

DOMAIN = {"name": "DocumentRegistry", "version": "1", "chainId": 7, "verifyingContract": "0x" + "11" * 20}
TYPES = {"Receipt": [{"name": "document", "type": "bytes32"}, {"name": "size", "type": "uint64"}]}
MESSAGE = {"document": b"\x05" * 32, "size": 4096}


def test_keccak_of_nothing_is_ethereums() -> None:
    """Keccak-256, not SHA3-256: the hash of nothing is the empty code hash."""
    assert EMPTY_CODE_HASH.hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


@given(st.integers(1, CURVE_ORDER - 1), st.binary(min_size=32, max_size=32))
def test_signature_is_low_s_and_recovers(secret: int, digest: bytes) -> None:
    """Any signature is deterministic, low-s, v in {0, 1}, and recovers to its signer."""
    key = PrivateKey.from_bytes(secret.to_bytes(32, "big"))
    signature = key.sign(digest)
    assert len(signature) == 65 and signature[64] in (0, 1)
    assert 0 < int.from_bytes(signature[32:64], "big") <= HALF_CURVE_ORDER
    assert signature == key.sign(digest)
    assert SECP256K1_VERIFIER.recover(digest, signature) == key.address


def test_address_is_eth_accounts() -> None:
    """Addresses equal those of eth-account."""
    key = PrivateKey.generate()
    assert "0x" + key.address.hex() == Account.from_key(key.secret_bytes()).address.lower()
    assert address_of_public_key(key.public_key[1:]) == key.address


def test_malleable_and_malformed_signatures_recover_nobody() -> None:
    """High s (EIP-2), v above 1, zero r or s, r at the order, and wrong lengths are refused."""
    key, digest = PrivateKey.generate(), keccak256(b"x")
    good = key.sign(digest)
    r, s, v = good[:32], int.from_bytes(good[32:64], "big"), good[64]
    high = r + (CURVE_ORDER - s).to_bytes(32, "big") + bytes([v ^ 1])
    order = CURVE_ORDER.to_bytes(32, "big")
    bad = [
        high,
        good[:64] + b"\x1b",
        bytes(32) + good[32:],
        r + bytes(32) + bytes([v]),
        order + good[32:],
        good[:64],
        b"",
    ]
    assert [recover_address(digest, signature) for signature in bad] == [None] * len(bad)
    assert recover_address(digest[:31], good) is None


@pytest.mark.parametrize("secret", [b"", bytes(32), CURVE_ORDER.to_bytes(32, "big"), bytes(31) + b"\x01\x01"])
def test_secret_out_of_range_is_refused(secret: bytes) -> None:
    """A secret of the wrong length or outside 1..N-1 is a DataError; a key never prints its secret."""
    with pytest.raises(DataError):
        PrivateKey.from_bytes(secret)
    key = PrivateKey.generate()
    assert key.secret_bytes().hex() not in repr(key)


_VECTOR: dict[str, Any] = {
    "cipher": "aes-128-ctr",
    "kdfparams": {"dklen": 32, "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
}
WEB3_SECRET_STORAGE_VECTORS: dict[str, dict[str, Any]] = {
    "pbkdf2": {
        "version": 3,
        "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
        "crypto": _VECTOR
        | {
            "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
            "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
            "kdf": "pbkdf2",
            "kdfparams": _VECTOR["kdfparams"] | {"c": 262_144, "prf": "hmac-sha256"},
            "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
        },
    },
    "scrypt": {
        "version": 3,
        "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
        "crypto": _VECTOR
        | {
            "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
            "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
            "kdf": "scrypt",
            "kdfparams": {
                "dklen": 32,
                "n": 262_144,
                "r": 1,
                "p": 8,
                "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
            },
            "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
        },
    },
}


def test_keystore_round_trip_and_refusals(tmp_path: Path) -> None:
    """A keystore is 0600, opens with its password alone, is V3 for other clients, and is never overwritten."""
    key, path = PrivateKey.generate(), tmp_path / "keystore" / "validator.json"
    save_keystore(path, key, "correct horse", light=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_keystore(path, "correct horse").address == key.address
    assert bytes(Account.decrypt(path.read_text(), "correct horse")) == key.secret_bytes()
    with pytest.raises(ConfigError, match="password is wrong"):
        load_keystore(path, "wrong")
    with pytest.raises(ConfigError, match="never overwritten"):
        save_keystore(path, key, "x", light=True)
    os.chmod(path, 0o640)
    with pytest.raises(PermissionDenied, match="chmod 600"):
        load_keystore(path, "correct horse")


@pytest.mark.parametrize("kdf", ["scrypt", "pbkdf2"])
def test_keystores_of_other_clients_open(tmp_path: Path, kdf: str) -> None:
    """The two V3 files of the Web3 Secret Storage definition's test vectors, by both key derivations."""
    path = tmp_path / "vector.json"
    path.write_text(json.dumps(WEB3_SECRET_STORAGE_VECTORS[kdf]))
    path.chmod(0o600)
    secret = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"
    assert load_keystore(path, "testpassword").secret_bytes().hex() == secret


@pytest.mark.parametrize(
    "change",
    [
        {"version": 1},
        {"crypto": {"cipher": "aes-256-gcm"}},
        {"crypto": {"kdf": "argon2id"}},
        {"crypto": {"ciphertext": ""}},
        {"crypto": {"cipherparams": {"iv": "1" * 40}}},
        {"crypto": {"kdfparams": {"n": 2**40}}},
        {"crypto": {"kdfparams": {"n": -2}}},
        {"crypto": {"kdfparams": {"n": 3}}},
        {"crypto": {"kdfparams": {"p": 2**30}}},
        {"crypto": {"kdfparams": {"r": "x"}}},
        {"crypto": {"kdfparams": {"dklen": 2**31}}},
        {"crypto": {"kdfparams": {"salt": 5}}},
        {"crypto": {"kdfparams": None}},
    ],
)
def test_a_keystore_asks_nothing_absurd(tmp_path: Path, change: dict[str, Any]) -> None:
    """One field that no client writes: a ConfigError at once, not memory or time without bound."""

    def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
        return {
            **old,
            **{k: merged(old[k], v) if isinstance(v, dict) and k in old else v for k, v in new.items()},
        }

    path = tmp_path / "bad.json"
    path.write_text(json.dumps(merged(WEB3_SECRET_STORAGE_VECTORS["scrypt"], change)))
    path.chmod(0o600)
    began = time.monotonic()
    with pytest.raises(ConfigError, match=r"bad\.json"):
        load_keystore(path, "testpassword")
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"version": 3, "crypto": 1}', b"\xff", b"x" * 20_000])
def test_malformed_keystore_is_refused(tmp_path: Path, content: bytes) -> None:
    """Whatever a keystore file holds, opening it ends in a ConfigError that names the file."""
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"bad\.json"):
        load_keystore(path, "x")


def test_typed_data_agrees_with_eth_account() -> None:
    """Digest and signature equal eth-account's, and recover to the signer."""
    key = PrivateKey.generate()
    signature = sign_eip712(key, DOMAIN, TYPES, MESSAGE)
    signed = Account.sign_message(encode_typed_data(DOMAIN, TYPES, MESSAGE), key.secret_bytes())
    assert signature == bytes(signed.signature)
    assert eip712_digest(DOMAIN, TYPES, MESSAGE) == bytes(signed.message_hash)
    assert recover_eip712(signature, DOMAIN, TYPES, MESSAGE) == key.address
    assert recover_eip712(signature[:64] + b"\x00", DOMAIN, TYPES, MESSAGE) is None
    with pytest.raises(DataError, match="typed data"):
        eip712_digest(DOMAIN, TYPES, {"document": "no", "size": -1})
