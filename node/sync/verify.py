"""What a block from a peer must prove before it is executed: that a quorum of the right set sealed it."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from consensus.certificates import CommitCertificate, verify_commit_certificate
from consensus.errors import ConsensusError
from consensus.types import Config, Verifier
from consensus.validators import ValidatorSchedule, epoch_of
from node.chain.block import Block
from node.chain.store import ChainStore
from node.errors import ImpossibleState, InvalidBlock, PrayaError
from node.sync.messages import BlockRecord
from node.types import ZERO_HASH, Hash32

VERIFIED_KEPT = 64
"""Certificates remembered as verified: what sealed h is usually what h + W carries."""


class RecordVerifier:
    """Checks records against this node's own chain, never against what the server says of itself.

    One caller at a time. Its schedule is its own: the replica's belongs to the replica.
    """

    def __init__(self, config: Config, chain: ChainStore, verifier: Verifier, block_bytes_max: int) -> None:
        self._config = config
        self._chain = chain
        self._verifier = verifier
        self._block_bytes_max = block_bytes_max
        self._schedule = ValidatorSchedule(config)
        self._verified: OrderedDict[bytes, None] = OrderedDict()

    def check(self, record: BlockRecord) -> Block:
        """The decoded child of this node's head, with a quorum's certificate of it and the certificate that its
        header names. Execution is still to come. Raises InvalidBlock with the broken rule."""
        head = self._chain.head()
        if len(record.block) > self._block_bytes_max:
            raise InvalidBlock("P-3", "block over the size limit", expected=self._block_bytes_max)
        try:
            block = Block.decode(record.block)
        except InvalidBlock:
            raise
        except PrayaError as error:
            raise InvalidBlock("P-1", error.message) from error
        if block.number != head.number + 1:
            raise InvalidBlock("P-1", "not the next height", expected=head.number + 1, found=block.number)
        if block.header.parent_hash != head.hash:
            raise InvalidBlock(
                "P-1", "not a child of the head", expected=head.hash.hex(), found=block.header.parent_hash.hex()
            )
        self._check_certificate("P-10", record.certificate, block.number, block.hash)
        check_carried_hash(block, record.carried, self._config.window)
        if record.carried:
            self._check_carried(block, record.carried)
        return block

    def _check_carried(self, block: Block, carried: bytes) -> None:
        height = block.number - self._config.window
        ancestor = self._chain.header(height)
        if ancestor is None:
            raise ImpossibleState(f"this node's own header {height} is missing")
        self._check_certificate("P-11", carried, height, ancestor.hash)

    def _check_certificate(self, rule: str, data: bytes, height: int, block_hash: Hash32) -> None:
        key = hashlib.sha256(data).digest() + height.to_bytes(8, "big") + block_hash
        if key in self._verified:
            return
        try:
            certificate = CommitCertificate.decode(data)
            if (certificate.height, certificate.block_hash) != (height, block_hash):
                raise InvalidBlock(
                    rule, "the certificate is another block's", expected=height, found=certificate.height
                )
            epoch = epoch_of(height, self._config.epoch_length)
            self._schedule.add(epoch, self._chain.validators(height))
            verify_commit_certificate(certificate, self._schedule, self._verifier)
        except ConsensusError as error:
            raise InvalidBlock(rule, f"certificate of height {height}: {error}") from error
        self._verified[key] = None
        if len(self._verified) > VERIFIED_KEPT:
            self._verified.popitem(last=False)


def check_carried_hash(block: Block, carried: bytes, window: int) -> None:
    """P-11: the header names the hash of the certificate that travels with the block; zero and nothing up to W.
    Raises InvalidBlock."""
    named = block.header.parent_beacon_block_root
    if block.number <= window:
        if named != ZERO_HASH or carried:
            raise InvalidBlock("P-11", f"heights up to {window} name no certificate", found=named.hex())
        return
    found = hashlib.sha256(carried).digest()
    if found != named:
        raise InvalidBlock(
            "P-11", "the carried certificate is not the named one", expected=named.hex(), found=found.hex()
        )


def decode_fetched(data: bytes, carried: bytes, height: int, block_hash: Hash32, window: int) -> Block:
    """A block that was asked for by its hash. The hash covers the header alone, so the body is compared with the
    header's root here: a server must not be able to make a sealed hash look invalid. Raises InvalidBlock."""
    block = Block.decode(data)
    if (block.number, block.hash) != (height, block_hash):
        raise InvalidBlock("P-1", "another block than was asked for", expected=block_hash.hex(), found=block.hash.hex())
    root = block.transactions_root()
    if root != block.header.transactions_root:
        raise InvalidBlock("P-1", "the body is not the header's", expected=block.header.transactions_root.hex())
    check_carried_hash(block, carried, window)
    return block
