"""A member's record as a file: what its node writes, and what the members vote on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from contracts.consortium import Member, Role
from node.errors import DataError
from node.keys import keccak256

FIELDS = ("name", "bic", "lei", "role", "place", "business_address", "validator_address", "encryption_key")
RECORD_BYTES_MAX = 8 * 1024
_PLACE = re.compile(r"[A-Z0-9]{5}\Z")


def member_id(bic: str) -> bytes:
    """A member's id, where nobody has chosen another."""
    return keccak256(b"praya/member/" + bic.encode())


def record_json(member: Member) -> dict[str, Any]:
    """The record as JSON; ``read_record`` is the reverse."""
    validator = member.validator_address
    return {
        "id": _hex(member.id),
        "name": member.name,
        "bic": member.bic,
        "lei": member.lei,
        "role": member.role.name.lower(),
        "place": member.place,
        "business_address": _hex(member.business_address),
        "validator_address": None if validator is None else _hex(validator),
        "encryption_key": _hex(member.encryption_key),
    }


def read_record(content: bytes) -> Member:
    """A member's record out of its file. DataError names the field that is missing, unknown or malformed."""
    if len(content) > RECORD_BYTES_MAX:
        raise DataError(f"a member's record has at most {RECORD_BYTES_MAX} bytes", field="record")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        raise DataError("a member's record is a JSON object", field="record") from None
    if not isinstance(body, dict):
        raise DataError("a member's record is a JSON object", field="record")
    for name in body:
        if name not in (*FIELDS, "id"):
            raise DataError(f"a member's record has no {name[:64]!r}", field=f"record.{name[:64]}")
    for name in FIELDS:
        if name not in body:
            raise DataError(f"a member's record needs {name}", field=f"record.{name}")
    member = _member(body)
    try:
        member.as_argument()
    except ValueError as error:  # a length that the contract's word does not hold
        raise DataError(f"a member's record: {error}", field=f"record.{str(error).partition(':')[0]}") from None
    return member


def _member(body: Mapping[str, Any]) -> Member:
    text = {name: _checked(name, body[name], _is_text) for name in ("name", "bic", "lei", "role", "place")}
    roles = {role.name.lower(): role for role in Role}
    if text["role"] not in roles:
        raise DataError(f"role is one of {', '.join(roles)}", field="record.role")
    if not _PLACE.match(text["place"]):
        raise DataError("place is five letters or digits, such as HKHKG", field="record.place")
    validator = body["validator_address"]
    return Member(
        id=member_id(text["bic"]) if body.get("id") is None else _bytes("id", body["id"], 32),
        name=text["name"],
        bic=text["bic"],
        lei=text["lei"],
        role=roles[text["role"]],
        place=text["place"],
        business_address=_bytes("business_address", body["business_address"], 20),
        validator_address=None if validator is None else _bytes("validator_address", validator, 20),
        encryption_key=_bytes("encryption_key", body["encryption_key"], 32),
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


def _checked(name: str, value: Any, check: Callable[[Any], bool]) -> str:
    if not check(value):
        raise DataError(f"{name} is a text", field=f"record.{name}")
    return str(value)


def _bytes(name: str, value: Any, length: int) -> bytes:
    try:
        if not isinstance(value, str) or not value.startswith("0x"):
            raise ValueError
        raw = bytes.fromhex(value[2:])
        if len(raw) != length or len(value) != 2 + 2 * length:
            raise ValueError
    except ValueError:
        raise DataError(f"{name} is 0x and {2 * length} hex digits", field=f"record.{name}") from None
    return raw


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
