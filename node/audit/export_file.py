"""One file that holds a chain and its proofs (``praya audit export``).

Layout: the magic line, then frames. A frame is a length (4 bytes, big endian) and that many bytes. The first frame
is the genesis document as JSON; each later one is the RLP list ``[block, certificate, [address, ...]]``: the block's
own RLP, the encoded commit certificate, and the validator set of that height where it differs from the height
before (empty otherwise). ``--format rlp`` writes the bare blocks instead, one RLP item after another, genesis left
out, for other implementations.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import rlp
from rlp.exceptions import RLPException

from node.audit.source import SealedBlock
from node.errors import DataError
from node.types import Address

MAGIC = b"praya chain export 1\n"
FRAME_BYTES_MAX = 64 * 1024 * 1024
"""A block is bounded by genesis far below this; a longer frame is a damaged length."""


def write_export(path: Path, genesis: dict[str, Any], blocks: Iterable[SealedBlock], *, bare: bool = False) -> int:
    """Write the file whole or not at all; the number of blocks written."""
    temporary = path.with_name(path.name + ".part")
    count = 0
    with temporary.open("wb") as file:
        if not bare:
            file.write(MAGIC)
            _write_frame(file, json.dumps(genesis, sort_keys=True, separators=(",", ":")).encode())
        for block in blocks:
            if bare:
                file.write(block.block)
            else:
                _write_frame(file, rlp.encode([block.block, block.certificate, list(block.validators or ())]))
            count += 1
    temporary.replace(path)
    return count


class ExportFile:
    """Reads an export; a ChainSource. DataError names the frame that is malformed."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def genesis(self) -> dict[str, Any]:
        """The genesis document."""
        with self._path.open("rb") as file:
            return self._read_genesis(file)

    def height(self) -> int:
        """The number of blocks in the file, which for an honest one is the last height."""
        with self._path.open("rb") as file:
            self._read_genesis(file)
            return sum(1 for _ in self._frames(file))

    def blocks(self) -> Iterator[SealedBlock]:
        """The blocks in file order."""
        with self._path.open("rb") as file:
            self._read_genesis(file)
            for number, frame in enumerate(self._frames(file), start=1):
                yield _decode_block(frame, number)

    def _read_genesis(self, file: IO[bytes]) -> dict[str, Any]:
        if file.read(len(MAGIC)) != MAGIC:
            raise DataError(f"{self.name} is no chain export", field="magic")
        frame = next(self._frames(file), None)
        try:
            document = json.loads(frame or b"")
        except ValueError as error:
            raise DataError(f"{self.name}: the genesis frame is not JSON", field="genesis") from error
        if not isinstance(document, dict):
            raise DataError(f"{self.name}: the genesis frame is no object", field="genesis")
        return document

    def _frames(self, file: IO[bytes]) -> Iterator[bytes]:
        while head := file.read(4):
            length = int.from_bytes(head, "big")
            if len(head) != 4 or length > FRAME_BYTES_MAX:
                raise DataError(f"{self.name}: a frame's length is damaged", field="frame")
            body = file.read(length)
            if len(body) != length:
                raise DataError(f"{self.name} ends within a frame", field="frame")
            yield body


def _write_frame(file: IO[bytes], body: bytes) -> None:
    file.write(len(body).to_bytes(4, "big"))
    file.write(body)


def _decode_block(frame: bytes, number: int) -> SealedBlock:
    try:
        block, certificate, addresses = rlp.decode(frame)
        if not isinstance(block, bytes) or not isinstance(certificate, bytes):
            raise ValueError("a list where bytes belong")
        if any(not isinstance(address, bytes) or len(address) != 20 for address in addresses):
            raise ValueError("an address is not 20 bytes")
    except (RLPException, ValueError, TypeError) as error:
        raise DataError(f"frame {number} is no sealed block: {error}", field="frame", height=number) from error
    validators = tuple(Address(address) for address in addresses) if addresses else None
    return SealedBlock(block, certificate, validators)
