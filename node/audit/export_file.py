"""One file that holds a chain and its proofs (``praya audit export``).

Layout: the magic line, then frames. A frame is a length (4 bytes, big endian) and that many bytes:

- first, 32 bytes with the SHA-256 of the genesis document in its normal form, and that form (JSON, keys sorted, no
  spaces, lower-case hex);
- for each block the RLP list ``[block, certificate, [address, ...]]``: the block's own RLP, the encoded commit
  certificate, and the validator set of that height where it differs from the height before (empty otherwise);
- last, the RLP list ``[b"end", height (8 bytes), block hash]``, so that a file cut between two blocks is found out.

Every byte counts: each frame has one encoding, and nothing follows the last. ``--format rlp`` writes the bare blocks
instead, one RLP item after another, genesis left out, for other implementations.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

import rlp

from node.audit.source import SealedBlock, SourceFault
from node.chain.block import Block
from node.chain.genesis import Genesis
from node.chain.json_fields import parse_json
from node.chain.rlp_fields import decode_rlp
from node.errors import ConfigError, DataError, InvalidBlock, UnavailableError
from node.types import Address, Hash32

MAGIC = b"praya chain export 1\n"
FRAME_BYTES_MAX = 64 * 1024 * 1024
"""A block is bounded by genesis far below this; a longer frame is a damaged length."""
END = b"end"
_LENGTH_BYTES = 4
_DIGEST_BYTES = 32
_HEIGHT_BYTES = 8
_END_FRAME_BYTES = len(rlp.encode([END, bytes(_HEIGHT_BYTES), bytes(32)]))


def genesis_text(genesis: Genesis) -> bytes:
    """The normal form: what ``Genesis.digest`` is the SHA-256 of."""
    return json.dumps(genesis.document, sort_keys=True, separators=(",", ":")).encode()


def write_export(
    path: Path,
    genesis: dict[str, Any],
    blocks: Iterable[SealedBlock],
    *,
    bare: bool = False,
    progress: Callable[[int, int], None] = lambda height, transactions: None,
) -> int:
    """Write the file whole or not at all; the number of blocks written.

    The blocks are copied, not audited: only that they are blocks, in the order of their heights. SourceFault
    otherwise, ConfigError for a document that is no genesis.
    """
    text = genesis_text(Genesis.from_json(genesis))
    temporary = path.with_name(path.name + ".part")
    try:
        with temporary.open("wb") as file:
            count = _write_blocks(file, text, blocks, bare, progress)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error}", field="to") from error
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _write_blocks(
    file: IO[bytes], genesis: bytes, blocks: Iterable[SealedBlock], bare: bool, progress: Callable[[int, int], None]
) -> int:
    if not bare:
        file.write(MAGIC)
        _write_frame(file, hashlib.sha256(genesis).digest() + genesis)
    count, head = 0, Hash32(bytes(32))
    for sealed in blocks:
        count += 1
        try:
            block = Block.decode(sealed.block)
        except InvalidBlock as error:
            raise SourceFault(error.rule, f"height {count} is no block: {error.message}") from error
        if block.number != count:
            raise SourceFault("P-1", "the blocks are not in order", expected=count, found=block.number)
        head = block.hash
        if bare:
            file.write(sealed.block)
        else:
            _write_frame(file, rlp.encode([sealed.block, sealed.certificate, list(sealed.validators or ())]))
        progress(count, len(block.transactions))
    if count == 0:
        raise SourceFault("source", "the source holds no block")
    if not bare:
        _write_frame(file, rlp.encode([END, count.to_bytes(_HEIGHT_BYTES, "big"), head]))
    return count


class ExportFile:
    """Reads an export; a ChainSource that keeps one frame in memory."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path

    def genesis(self) -> dict[str, Any]:
        """The genesis document; SourceFault where the file is no export, P-3 where its genesis is damaged."""
        with self._open() as file:
            return self._read_genesis(file)

    def height(self) -> int:
        """The height that the closing frame names."""
        with self._open() as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _END_FRAME_BYTES))
            height, _ = _decode_end(_decode_list(file.read()))
            return height

    def blocks(self, last: int | None = None) -> Iterator[SealedBlock]:
        """The blocks in file order; SourceFault at a damaged frame, a closing frame that is not the last block's, or
        anything after it."""
        return islice(self._all(), last)

    def close(self) -> None:
        """Nothing is held between calls."""

    def _open(self) -> IO[bytes]:
        try:
            return self._path.open("rb")
        except OSError as error:
            raise UnavailableError(f"cannot read {self.name}: {error}", field="from") from error

    def _all(self) -> Iterator[SealedBlock]:
        with self._open() as file:
            self._read_genesis(file)
            latest = b""
            for before, frame in enumerate(_frames(file)):
                items = _decode_list(frame)
                if items[:1] == [END]:
                    return self._check_end(file, items, before, latest)
                sealed = _sealed_block(items)
                latest = sealed.block
                yield sealed
            raise SourceFault("file", "the file ends without its closing frame: it was cut")

    def _check_end(self, file: IO[bytes], items: list[Any], number: int, latest: bytes) -> None:
        height, block_hash = _decode_end(items)
        head = Block.decode(latest).hash if latest else b""
        if (height, block_hash) != (number, head):
            raise SourceFault(
                "file",
                "the closing frame names another last block",
                expected=[number, head],
                found=[height, block_hash],
            )
        if file.read(1):
            raise SourceFault("file", "bytes follow the closing frame")

    def _read_genesis(self, file: IO[bytes]) -> dict[str, Any]:
        if file.read(len(MAGIC)) != MAGIC:
            raise SourceFault("file", f"{self.name} is no chain export", field="magic")
        frame = next(_frames(file), b"")
        digest, text = frame[:_DIGEST_BYTES], frame[_DIGEST_BYTES:]
        found = hashlib.sha256(text).digest()
        if digest != found:
            raise SourceFault("P-3", "the genesis document was altered", expected=digest, found=found, field="genesis")
        try:
            genesis = Genesis.from_json(parse_json(text.decode("utf-8")))
        except (ConfigError, UnicodeDecodeError) as error:
            message = error.message if isinstance(error, ConfigError) else "it is not UTF-8"
            raise SourceFault("P-3", f"the genesis document: {message}", field="genesis") from error
        if genesis_text(genesis) != text:
            raise SourceFault("P-3", "the genesis document is not in its normal form", field="genesis")
        return genesis.document


def _frames(file: IO[bytes]) -> Iterator[bytes]:
    while head := file.read(_LENGTH_BYTES):
        length = int.from_bytes(head, "big")
        if len(head) != _LENGTH_BYTES or length > FRAME_BYTES_MAX:
            raise SourceFault("file", "a frame's length is damaged", field="frame")
        body = file.read(length)
        if len(body) != length:
            raise SourceFault("file", "the file ends within a frame", field="frame")
        yield body


def _write_frame(file: IO[bytes], body: bytes) -> None:
    if len(body) > FRAME_BYTES_MAX:
        raise SourceFault("source", f"a block of {len(body)} bytes is above the limit {FRAME_BYTES_MAX}")
    file.write(len(body).to_bytes(_LENGTH_BYTES, "big"))
    file.write(body)


def _decode_list(frame: bytes) -> list[Any]:
    """The items of a frame that is one canonical RLP list."""
    try:
        items = decode_rlp(frame, "a frame")
    except DataError as error:
        raise SourceFault("file", error.message, field="frame") from error
    if not isinstance(items, list) or rlp.encode(items) != frame:
        raise SourceFault("file", "a frame is not one canonical RLP list", field="frame")
    return items


def _decode_end(items: list[Any]) -> tuple[int, bytes]:
    """Height and hash of the last block, from the closing frame."""
    shapes = [len(item) if isinstance(item, bytes) else None for item in items]
    if items[:1] != [END] or shapes != [len(END), _HEIGHT_BYTES, _DIGEST_BYTES]:
        raise SourceFault("file", "the closing frame is malformed", field="frame")
    return int.from_bytes(items[1], "big"), items[2]


def _sealed_block(items: list[Any]) -> SealedBlock:
    if len(items) != 3 or not isinstance(items[0], bytes) or not isinstance(items[1], bytes):
        raise SourceFault("file", "a frame is no sealed block", field="frame")
    addresses = items[2]
    if not isinstance(addresses, list) or any(not isinstance(a, bytes) or len(a) != 20 for a in addresses):
        raise SourceFault("file", "a validator set is no list of addresses", field="frame")
    return SealedBlock(items[0], items[1], tuple(Address(a) for a in addresses) or None)
