"""Replay: every block is checked again from genesis, and nothing that the source says is believed.

For the chain:
 1. genesis is well-formed and, where the auditor knows its hash or digest, that one (P-3)
For each block, in this order:
 2. the block decodes strictly and follows its parent (P-1)
 3. the certificate of the block before it is the one that the header names (P-11)
 4. Q or more seals of the validator set of its height are good, every one of them, the last block's too (P-10)
 5. the source lists the validator set where it changes, as the state before the block holds it (P-12)
 6. header, permissions, gas, and by re-execution the transaction, receipt and state roots, the logs bloom and the
    hash of the next validator set: the same transition function as a bank's (P-1 to P-8, P-12)
 7. every deadline that a credit stored in the block is the one that the calendar on the chain gives (UCP 14, 29, 33)
With a second source:
 8. it serves the same genesis and the same blocks; another block with good seals is evidence of a fork (P-10)
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from tempfile import TemporaryDirectory

from consensus.certificates import CommitCertificate, verify_commit_certificate
from consensus.errors import ConsensusError
from consensus.errors import ImpossibleState as ImpossibleSet
from consensus.validators import ValidatorSchedule, epoch_of, quorum_size
from contracts import addresses, artifacts
from node.audit.deadlines import DeadlineMismatch, check_deadlines
from node.audit.fork import compare_block
from node.audit.report import Finding, Outcome
from node.audit.scratch import open_scratch_ledger
from node.audit.source import ChainSource, SealedBlock, SourceFault
from node.chain.block import Block
from node.chain.genesis import Genesis
from node.errors import ConfigError, DataError, ImpossibleState, InvalidBlock, PrayaError, UnavailableError
from node.execution.consensus_config import consensus_config
from node.execution.ledger import Ledger
from node.execution.transition import ExecutedBlock
from node.keys import SECP256K1_VERIFIER
from node.types import Address, Hash32, to_hex

NO_CERTIFICATE = Hash32(bytes(32))
Progress = Callable[[int, int], None]
"""Told each finished height and the number of its transactions."""

_BAD_DATA = (
    PrayaError,
    ConsensusError,
    ImpossibleSet,
    ImpossibleState,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    RecursionError,
    AssertionError,
)
"""What code meets that is fed a false chain whose contracts are not ours: a finding, never a stack trace. Trouble of
the auditor's own machine (memory, disk, an unreachable source) is none of these."""
_FIELDS = {"P-2": "gas_used", "P-4": "timestamp", "P-5": "coinbase", "P-11": "parent_beacon_block_root"}
"""The header field that a rule of execution speaks of where its message names none."""
_NAMED_FIELD = re.compile(r"header field (\w+)|header\.(\w+)|(transaction \d+)")


def _checks(text: str) -> tuple[str, ...]:
    """The numbered lines of this module's docstring, each on one line."""
    joined = re.sub(r"\n {4}", " ", text)
    return tuple(line.strip() for line in joined.splitlines() if re.match(r" \d\. ", line))


CHECKS = _checks(__doc__ or "")


class _Broken(Exception):
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def replay_chain(
    source: ChainSource,
    *,
    against: ChainSource | None = None,
    to: int | None = None,
    expected_genesis_hash: str | None = None,
    expected_genesis_digest: str | None = None,
    progress: Progress = lambda height, transactions: None,
) -> Outcome:
    """Replay what ``source`` offers, up to height ``to`` where one is given, and compare it with ``against``.

    Never raises for a false chain: the outcome carries the first finding. Raises UnavailableError where a source
    cannot be reached.
    """
    outcome = Outcome(source.name, against=against.name if against else None, checks=CHECKS)
    started = time.monotonic()
    with TemporaryDirectory(prefix="praya-audit-") as directory:
        try:
            genesis = _read_genesis(source)
            ledger = _open(genesis, directory)
            try:
                replay = _Replay(outcome, ledger)
                replay.check_genesis(expected_genesis_hash, expected_genesis_digest, against)
                replay.run(source, against, to, progress)
            finally:
                ledger.close()
        except _Broken as broken:
            outcome.finding = broken.finding
    outcome.duration_s = time.monotonic() - started
    return outcome


def _read_genesis(source: ChainSource) -> Genesis:
    try:
        return Genesis.from_json(source.genesis())
    except UnavailableError:
        raise
    except SourceFault as fault:
        raise _Broken(_finding_of(fault, 1, None)) from fault
    except _BAD_DATA as error:
        raise _Broken(Finding(1, None, "P-3", _text(error), getattr(error, "field", None) or "genesis")) from error


def _open(genesis: Genesis, directory: str) -> Ledger:
    try:
        return open_scratch_ledger(directory, genesis)
    except UnavailableError:
        raise
    except _BAD_DATA as error:
        raise _Broken(Finding(1, None, "P-3", _text(error), getattr(error, "field", None) or "genesis")) from error


class _Replay:
    def __init__(self, outcome: Outcome, ledger: Ledger) -> None:
        self.outcome = outcome
        self.ledger = ledger
        parameters = ledger.parameters
        self._epoch_length = parameters.epoch_length
        self._window = parameters.window
        self._schedule = ValidatorSchedule(consensus_config(ledger.genesis, ledger.genesis_hash))
        self._certificates: dict[int, bytes] = {}
        """The last W certificates by height, as the source served them."""
        self._last_set: tuple[Address, ...] = ()
        self._against_ended: int | None = None
        outcome.chain_id = ledger.genesis.chain_id
        outcome.genesis_hash = to_hex(ledger.genesis_hash)
        outcome.genesis_digest = to_hex(ledger.genesis.digest)
        outcome.notes += _foreign_contracts(ledger.genesis)
        self._note_head()

    def check_genesis(self, known_hash: str | None, known_digest: str | None, against: ChainSource | None) -> None:
        """Check 1 against what the auditor knows, and check 8 of the genesis."""
        for what, known, found in (
            ("genesis_hash", known_hash, self.outcome.genesis_hash),
            ("genesis_digest", known_digest, self.outcome.genesis_digest),
        ):
            if known is None:
                continue
            self.outcome.genesis_demanded += (what,)
            if known.lower() != found:
                raise _Broken(Finding(1, None, "P-3", "the genesis is another one", what, known, found))
        if against is not None:
            other = to_hex(_read_genesis(against).digest)
            if other != self.outcome.genesis_digest:
                message = f"{against.name} serves another genesis"
                raise _Broken(Finding(8, None, "P-3", message, "genesis_digest", self.outcome.genesis_digest, other))

    def run(self, source: ChainSource, against: ChainSource | None, to: int | None, progress: Progress) -> None:
        """Checks 2 to 8 for each block."""
        blocks = source.blocks(to)
        others = against.blocks(to) if against is not None else iter(())
        while True:
            height = self.ledger.head.number + 1
            sealed = self._next(blocks, height, 2)
            if sealed is None:
                break
            if against is not None:
                self._compare(height, sealed, self._next(others, height, 8))
            try:
                transactions = self._check(height, sealed)
            except UnavailableError:
                raise
            except _BAD_DATA as error:
                message = f"the block cannot be replayed: {type(error).__name__}: {_text(error)}"
                raise _Broken(Finding(6, height, "P-1", message)) from error
            progress(height, transactions)
        if self.outcome.blocks == 0:
            raise _Broken(Finding(2, None, "source", "the source holds no block"))
        if to is not None and self.outcome.blocks < to:
            message = "the chain ends before the height that was asked for"
            raise _Broken(Finding(2, self.outcome.blocks + 1, "source", message, "height", to, self.outcome.blocks))
        if against is not None and self._next(others, height, 8) is not None:
            self.outcome.notes.append(
                f"{self.outcome.against} has blocks above {self.outcome.blocks}, not audited here"
            )

    def _next(self, blocks: Iterator[SealedBlock], height: int, check: int) -> SealedBlock | None:
        try:
            return next(blocks, None)
        except SourceFault as fault:
            raise _Broken(_finding_of(fault, check, height)) from fault

    def _check(self, height: int, sealed: SealedBlock) -> int:
        block = self._decode(height, sealed)  # 2
        carried = self._check_carried(height, block)  # 3
        seals = self._check_certificate(height, block, sealed)  # 4
        self._check_validator_set(height, sealed)  # 5
        try:
            executed = self.ledger.execute(block, carried_certificate_hash=carried)  # 6
        except InvalidBlock as error:
            raise _Broken(_invalid(6, height, error)) from error
        self.ledger.commit(
            executed,
            certificate=sealed.certificate,
            carried_certificate=self._certificates.get(height - self._window, b""),
            wal_lsn=0,
        )
        self._keep_certificate(height, sealed.certificate)
        self._check_deadlines(height, executed)  # 7
        self.outcome.blocks = height
        self.outcome.transactions += len(block.transactions)
        self.outcome.gas += executed.gas_used
        self.outcome.seals += seals
        self._note_head()
        return len(block.transactions)

    def _decode(self, height: int, sealed: SealedBlock) -> Block:
        try:
            block = Block.decode(sealed.block)
        except InvalidBlock as error:
            raise _Broken(_invalid(2, height, error)) from error
        if block.rlp() != sealed.block:
            raise _Broken(Finding(2, height, "P-1", "the block is not in its one encoding", "block"))
        if block.number != height:
            message = "the block has another height"
            raise _Broken(Finding(2, height, "P-1", message, "number", height, block.number))
        parent, named = self.ledger.head_hash, block.header.parent_hash
        if named != parent:
            raise _Broken(Finding(2, height, "P-1", "the block names another parent", "parent_hash", parent, named))
        return block

    def _check_carried(self, height: int, block: Block) -> Hash32:
        ancestor = self._certificates.get(height - self._window)
        expected = Hash32(hashlib.sha256(ancestor).digest()) if ancestor is not None else NO_CERTIFICATE
        found = block.header.parent_beacon_block_root
        if found != expected:
            message = f"the header names another certificate of block {height - self._window}"
            raise _Broken(Finding(3, height, "P-11", message, "parent_beacon_block_root", expected, found))
        return expected

    def _check_certificate(self, height: int, block: Block, sealed: SealedBlock) -> int:
        self._schedule.add(epoch_of(height, self._epoch_length), self.ledger.next_validators)
        try:
            certificate = CommitCertificate.decode(sealed.certificate)
            place = (certificate.height, certificate.block_hash)
            if place != (height, block.hash):
                message = "the certificate is of another block"
                raise _Broken(Finding(4, height, "P-10", message, "block_hash", (height, block.hash), place))
            verify_commit_certificate(certificate, self._schedule, SECP256K1_VERIFIER)
        except ConsensusError as error:
            quorum = quorum_size(len(self.ledger.next_validators))
            expected = f"{quorum} or more good seals" if sealed.certificate else "a certificate"
            raise _Broken(Finding(4, height, "P-10", _text(error), "seals", expected, sealed.certificate)) from error
        return len(certificate.seals)

    def _check_validator_set(self, height: int, sealed: SealedBlock) -> None:
        standing = tuple(self.ledger.next_validators)
        expected = standing if standing != self._last_set else None
        if sealed.validators != expected:
            message = "the listed validator set is another" if expected else "a set is listed where none changes"
            if sealed.validators is None:
                message = "the validator set changes, and the source does not list it"
            raise _Broken(Finding(5, height, "P-12", message, "validators", expected, sealed.validators))
        self._last_set = standing
        self.outcome.validator_sets += expected is not None

    def _check_deadlines(self, height: int, executed: ExecutedBlock) -> None:
        try:
            self.outcome.deadlines += check_deadlines(self.ledger, executed)
        except DeadlineMismatch as error:
            finding = Finding(7, height, error.rule, error.message, error.field, error.expected, error.found)
            raise _Broken(finding) from error
        except UnavailableError:
            raise
        except _BAD_DATA as error:
            message = f"a stored deadline cannot be computed again: {_text(error)}"
            raise _Broken(Finding(7, height, "UCP 14(b)", message, "deadline")) from error

    def _compare(self, height: int, sealed: SealedBlock, other: SealedBlock | None) -> None:
        """Check 8, before the block itself is judged: its seals are verified on the way."""
        if other is None:
            if self._against_ended is None:
                self._against_ended = height - 1
                self.outcome.notes.append(f"{self.outcome.against} ends at height {height - 1}")
            return
        self._schedule.add(epoch_of(height, self._epoch_length), self.ledger.next_validators)
        finding = compare_block(height, sealed, other, self._schedule)
        if finding is not None:
            raise _Broken(finding)
        self.outcome.compared += 1

    def _keep_certificate(self, height: int, certificate: bytes) -> None:
        self._certificates[height] = certificate
        self._certificates.pop(height - self._window, None)

    def _note_head(self) -> None:
        self.outcome.head_hash = to_hex(self.ledger.head_hash)
        self.outcome.state_root = to_hex(self.ledger.head.state_root)


def _foreign_contracts(genesis: Genesis) -> list[str]:
    """System contracts whose code is not this release's: the chain may still hold, under other contracts."""
    return [
        f"{name} at {to_hex(Address(address))} is not the code of this release"
        for name, address in sorted(addresses.SYSTEM_CONTRACTS.items())
        if Address(address) not in genesis.alloc
        or genesis.alloc[Address(address)].code != artifacts.load(name).runtime_code
    ]


def _invalid(check: int, height: int, error: InvalidBlock) -> Finding:
    message = error.message.removeprefix(f"{error.rule}: ")
    named = _NAMED_FIELD.search(message)
    field = _FIELDS.get(error.rule)
    if named is not None:
        field = named[1] or named[2] or re.sub(r"transaction (\d+)", r"transactions[\1]", named[3])
    return Finding(check, height, error.rule, message, field, error.expected, error.found)


def _finding_of(fault: SourceFault, check: int, height: int | None) -> Finding:
    return Finding(check, height, fault.rule, fault.message, fault.field, fault.expected, fault.found)


def _text(error: BaseException) -> str:
    return error.message if isinstance(error, ConfigError | DataError | InvalidBlock) else str(error)
