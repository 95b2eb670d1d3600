"""Replay: every block is checked again from genesis, and nothing that the source says is believed.

For the chain:
 1. genesis is well-formed and, where the auditor knows its hash, that one (P-3)
For each block, in this order:
 2. the block decodes, strictly (P-1)
 3. the certificate of the block before it is the one that the header names (P-11)
 4. Q or more seals of the validator set of its height are good, every one of them, the last block's too (P-10)
 5. where the source lists a validator set, it is the set that the state before the block holds (P-12)
 6. header, permissions, gas, and by re-execution the transaction, receipt and state roots, the logs bloom and the
    hash of the next validator set: the same transition function as a bank's (P-1 to P-8, P-12)
 7. every deadline that a contract stored in the block is the one that the calendar on the chain gives (UCP 14b, 29)
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from consensus.certificates import CommitCertificate, verify_commit_certificate
from consensus.errors import ConsensusError
from consensus.validators import ValidatorSchedule, epoch_of
from node.audit.deadlines import DeadlineMismatch, check_deadlines
from node.audit.report import Finding, Outcome
from node.audit.source import ChainSource, SealedBlock
from node.chain.block import Block
from node.chain.genesis import Genesis
from node.errors import DataError, InvalidBlock, PrayaError
from node.execution.consensus_config import consensus_config
from node.execution.ledger import Ledger
from node.keys import SECP256K1_VERIFIER
from node.types import Hash32, to_hex

CHECKS = tuple(line.strip() for line in (__doc__ or "").splitlines() if line[:2].strip().isdigit())
NO_CERTIFICATE = Hash32(bytes(32))


class _Broken(Exception):
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def replay_chain(
    source: ChainSource,
    *,
    expected_genesis_hash: str | None = None,
    progress: Callable[[int], None] = lambda height: None,
) -> Outcome:
    """Replay all that ``source`` offers. Never raises for a false chain: the outcome carries the first finding.

    Raises UnavailableError where the source cannot be reached.
    """
    outcome = Outcome(source.name, checks=CHECKS)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="praya-audit-") as directory:
        try:
            replay = _Replay(outcome, _read_genesis(source, Path(directory), expected_genesis_hash))
            try:
                replay.run(source, progress)
            finally:
                replay.ledger.close()
        except _Broken as broken:
            outcome.finding = broken.finding
    outcome.duration_s = time.monotonic() - started
    return outcome


def _read_genesis(source: ChainSource, directory: Path, expected_hash: str | None) -> Ledger:
    # 1
    try:
        genesis = Genesis.from_json(source.genesis())
        ledger = Ledger.open(directory / "chain", genesis)
    except PrayaError as error:
        raise _Broken(Finding(None, "P-3", error.message, found=error.field)) from error
    found = to_hex(ledger.genesis_hash)
    if expected_hash is not None and expected_hash.lower() != found:
        ledger.close()
        raise _Broken(Finding(None, "P-3", "the genesis is another one", expected_hash, found))
    return ledger


class _Replay:
    def __init__(self, outcome: Outcome, ledger: Ledger) -> None:
        self.outcome = outcome
        self.ledger = ledger
        parameters = ledger.parameters
        self._epoch_length = parameters.epoch_length
        self._window = parameters.window
        self._schedule = ValidatorSchedule(consensus_config(ledger.genesis, ledger.genesis_hash))
        self._certificates: dict[int, bytes] = {}
        outcome.chain_id = ledger.genesis.chain_id
        outcome.genesis_hash = to_hex(ledger.genesis_hash)
        self._note_head()

    def run(self, source: ChainSource, progress: Callable[[int], None]) -> None:
        blocks = source.blocks()
        while True:
            height = self.ledger.head.number + 1
            try:
                sealed = next(blocks, None)
            except DataError as error:
                raise _Broken(Finding(height, "file", error.message)) from error
            if sealed is None:
                break
            self._check(height, sealed)
            progress(height)
        if self.outcome.blocks == 0:
            raise _Broken(Finding(None, "file", "the source holds no block"))

    def _check(self, height: int, sealed: SealedBlock) -> None:
        try:
            block = Block.decode(sealed.block)  # 2
        except (DataError, InvalidBlock) as error:
            raise _Broken(Finding(height, "P-1", error.message)) from error
        carried = self._check_carried(height, block)  # 3
        self._check_certificate(height, block, sealed)  # 4
        self._check_validator_set(height, sealed)  # 5
        try:
            executed = self.ledger.execute(block, carried_certificate_hash=carried)  # 6
        except InvalidBlock as error:
            message = error.message.removeprefix(f"{error.rule}: ")
            raise _Broken(Finding(height, error.rule, message, error.expected, error.found)) from error
        self.ledger.commit(
            executed,
            certificate=sealed.certificate,
            carried_certificate=self._certificates.get(height - self._window, b""),
            wal_lsn=0,
        )
        self._check_deadlines(height, executed)  # 7
        self.outcome.blocks = height
        self.outcome.transactions += len(block.transactions)
        self._note_head()

    def _check_carried(self, height: int, block: Block) -> Hash32:
        ancestor = self._certificates.get(height - self._window)
        expected = Hash32(hashlib.sha256(ancestor).digest()) if ancestor is not None else NO_CERTIFICATE
        found = block.header.parent_beacon_block_root
        if found != expected:
            message = f"the header names another certificate of block {height - self._window}"
            raise _Broken(Finding(height, "P-11", message, expected, found))
        return expected

    def _check_certificate(self, height: int, block: Block, sealed: SealedBlock) -> None:
        self._schedule.add(epoch_of(height, self._epoch_length), self.ledger.next_validators)
        try:
            certificate = CommitCertificate.decode(sealed.certificate)
            if (certificate.height, certificate.block_hash) != (height, block.header.hash):
                raise _Broken(
                    Finding(
                        height, "P-10", "the certificate is of another block", block.header.hash, certificate.block_hash
                    )
                )
            verify_commit_certificate(certificate, self._schedule, SECP256K1_VERIFIER)
        except ConsensusError as error:
            raise _Broken(Finding(height, "P-10", str(error))) from error
        self._certificates = {height: sealed.certificate} | {
            h: c for h, c in self._certificates.items() if h > height - self._window
        }
        self.outcome.seals += len(certificate.seals)

    def _check_validator_set(self, height: int, sealed: SealedBlock) -> None:
        expected = tuple(self.ledger.next_validators)
        if sealed.validators is not None:
            self.outcome.validator_sets += 1
            if tuple(sealed.validators) != expected:
                raise _Broken(
                    Finding(height, "P-12", "the listed validator set is another", expected, sealed.validators)
                )

    def _check_deadlines(self, height: int, executed: Any) -> None:
        try:
            self.outcome.deadlines += check_deadlines(self.ledger, executed)
        except DeadlineMismatch as error:
            raise _Broken(Finding(height, error.rule, error.message, error.expected, error.found)) from error

    def _note_head(self) -> None:
        self.outcome.head_hash = to_hex(self.ledger.head_hash)
        self.outcome.state_root = to_hex(self.ledger.head.state_root)
