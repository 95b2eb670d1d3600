"""The host's answers: late, twice, for another place, or wrong. What is merely late says nothing; what cannot be stops
the replica, since a halt is better than a fork."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from consensus import replica as replica_module
from consensus.certificates import CommitCertificate, make_commit_certificate
from consensus.domain import Kind, seal_digest, vote_digest
from consensus.errors import ImpossibleState
from consensus.messages import Complain, NewView, PrePrepare, Reason, Repair, Reproposal
from consensus.replica import Replica
from consensus.types import (
    AbandonValidation,
    BlockAvailable,
    BlockBuilt,
    BlockValidated,
    BuildBlock,
    CheckWork,
    Config,
    Deliver,
    Delivered,
    Digest,
    Effect,
    Event,
    FetchBlock,
    Halt,
    Persisted,
    Proposal,
    Received,
    Started,
    Synced,
    TimerKind,
    Trace,
    ValidateBlock,
    Verdict,
    WorkChanged,
)
from consensus.wal_records import LedgerState, Restored

from .network import (
    GENESIS_HASH,
    START_S,
    Network,
    Node,
    NullSigner,
    NullVerifier,
    address,
    decode_header,
    make_block,
    make_config,
)
from .test_view_change import change, prepared
from .test_work import fire, idle

BACKUP = 2
OTHER = b"\x09" * 32


def certificate(node: Node, height: int, block_hash: Digest, view: int = 0) -> CommitCertificate:
    """A certificate that a quorum of colluding banks would make."""
    digest = seal_digest(node.replica.schedule.domain(0), view, height, block_hash)
    seals = {i: NullSigner(address(i)).sign(digest) for i in range(3)}
    return make_commit_certificate(0, view, height, block_hash, seals)


def proposal_at_2(node: Node, payload: bytes = b"a block", parent: Digest | None = None) -> tuple[Proposal, Digest]:
    head = node.disk.blocks[1]
    block = make_block(2, parent or head.block_hash, head.timestamp, address(0), head.certificate, payload)
    return Proposal(block, head.certificate), decode_header(block).hash


def pre_prepare(node: Node, proposal: Proposal) -> PrePrepare:
    place = (0, 2, decode_header(proposal.block).hash)
    digest = vote_digest(node.replica.schedule.domain(0), Kind.PRE_PREPARE, *place)
    return PrePrepare(0, *place, proposal, 0, NullSigner(address(0)).sign(digest))


def unanswered(node: Node, *kinds: type) -> None:
    """From now on the host leaves these effects without an answer."""
    carry_out = node.carry_out

    def some(effect: Effect) -> Event | None:
        return None if isinstance(effect, kinds) else carry_out(effect)

    node.carry_out = some  # type: ignore[method-assign]


def learn(node: Node, found: CommitCertificate) -> None:
    node.step(Received(address(1), Repair((found,))))


def last(node: Node, kind: type) -> Effect:
    return next(effect for effect in reversed(node.effects) if isinstance(effect, kind))


# --- late, twice, for another place -------------------------------------------------------------------


def test_a_second_delivered_or_a_late_synced_says_nothing() -> None:
    """H46: each height is taken once, by whichever of Deliver and sync was first."""
    network = idle()
    node = network.nodes[BACKUP]
    stored, before = node.disk.blocks[1], node.replica.status()
    sets = network.sets(2)
    node.step(Delivered(1, stored.block_hash, sets))
    node.step(Synced(1, stored.block_hash, stored.timestamp, stored.certificate, sets))
    assert node.replica.status() == before


def test_a_verdict_or_a_block_for_another_place_says_nothing() -> None:
    """A token that nobody waits for, a build of another view, and a block that nobody needs."""
    node = idle().nodes[0]
    before = node.replica.status()
    proposal, digest = proposal_at_2(node)
    node.step(BlockValidated(999, Verdict.VALID))
    node.step(BlockBuilt(0, 5, 2, proposal))
    node.step(BlockAvailable(proposal))
    node.step(Started())
    assert node.replica.status() == before
    assert node.replica.find_proposal(2, digest) is None


def test_a_fetched_block_is_kept_only_if_it_is_the_one() -> None:
    """Duty 10: rubbish, another block, or one that does not carry its certificate is not taken for it."""
    node = idle().nodes[BACKUP]
    proposal, digest = proposal_at_2(node)
    other, _ = proposal_at_2(node, b"another")
    unanswered(node, FetchBlock)
    learn(node, certificate(node, 2, digest))
    for wrong in (Proposal(b"rubbish", b""), other, Proposal(proposal.block, b"")):
        node.step(BlockAvailable(wrong))
        assert node.height == 1
    node.step(BlockAvailable(proposal))
    assert node.height == 2


def test_executions_are_abandoned_when_their_height_or_their_view_has_ended() -> None:
    """P-7: whose result nobody waits for any more; the late answer says nothing."""
    network = idle()
    node = network.nodes[BACKUP]
    unanswered(node, ValidateBlock)
    proposal, _ = proposal_at_2(node)
    node.step(Received(address(0), pre_prepare(node, proposal)))
    asked = last(node, ValidateBlock)
    assert isinstance(asked, ValidateBlock)
    block, other = proposal_at_2(node, b"another")
    head = node.disk.blocks[1]
    node.disk.blocks[2] = replace(head, proposal=block, block_hash=other)
    node.step(Synced(2, other, head.timestamp, certificate(node, 2, other).encode(), network.sets(3)))
    assert AbandonValidation(asked.token) in node.effects
    node.step(BlockValidated(asked.token, Verdict.VALID))
    assert not node.replica.status().halted


def test_an_execution_that_the_host_gave_up_is_tried_again_at_the_next_tick() -> None:
    """P-7: ABANDONED is no verdict: the same block is asked for again, once in each status interval."""
    node = idle().nodes[BACKUP]
    unanswered(node, ValidateBlock)
    proposal, _ = proposal_at_2(node)
    node.step(Received(address(0), pre_prepare(node, proposal)))
    first = last(node, ValidateBlock)
    assert isinstance(first, ValidateBlock)
    node.step(BlockValidated(first.token, Verdict.ABANDONED))
    node.step(Persisted(1))
    assert last(node, ValidateBlock) == first
    fire(node, TimerKind.STATUS)
    again = last(node, ValidateBlock)
    assert isinstance(again, ValidateBlock)
    assert again.token > first.token and again.proposal == first.proposal


def test_an_own_block_that_breaks_a_rule_is_never_proposed() -> None:
    """A builder at fault: its block is refused here before anybody hears of it, and it is asked again later."""
    node = idle().nodes[0]
    unanswered(node, BuildBlock)
    wrong, _ = proposal_at_2(node, parent=OTHER)
    for bad in (Proposal(b"rubbish", b""), wrong):
        node.step(WorkChanged(True, 0))
        asked = last(node, BuildBlock)
        assert isinstance(asked, BuildBlock)
        node.step(BlockBuilt(0, 0, 2, bad))
        assert any(isinstance(e, Trace) and e.label == "own_block_refused" for e in node.effects)
    assert not [m for m in node.sent if isinstance(m, PrePrepare) and m.height == 2]


def test_an_unanswered_check_of_work_is_asked_again_at_each_tick() -> None:
    """P-15: a complaint that waits for its builder is not forgotten with a lost answer."""
    node = idle().nodes[BACKUP]
    node.submit()
    unanswered(node, CheckWork)
    fire(node, TimerKind.PROGRESS)
    asked = sum(isinstance(effect, CheckWork) for effect in node.effects)
    fire(node, TimerKind.STATUS)
    assert sum(isinstance(effect, CheckWork) for effect in node.effects) == asked + 1


def test_an_echo_of_age_ends_with_those_whom_it_joined() -> None:
    """P-14: an echo is repeated only while f + 1 others say it themselves."""
    network = Network(7)
    network.start()
    assert network.reach(1)
    network.drop = lambda *_: True
    node = network.nodes[BACKUP]
    for sender in (1, 3, 4):
        node.step(Received(address(sender), Complain(0, 1, 1, Reason.AGE, False, sender, b"")))
    assert node.replica.status().complaining
    network.now_us += 10_000_000
    fire(node, TimerKind.STATUS)
    assert not node.replica.status().complaining


# --- impossible states --------------------------------------------------------------------------------


def deliver_unasked(node: Node) -> None:
    node.step(Delivered(2, OTHER, node.network.sets(3)))


def deliver_another(node: Node) -> None:
    unanswered(node, Deliver)
    proposal, digest = proposal_at_2(node)
    node.step(Received(address(0), pre_prepare(node, proposal)))
    learn(node, certificate(node, 2, digest))
    node.step(Delivered(2, OTHER, node.network.sets(3)))


def sync_another(node: Node) -> None:
    unanswered(node, FetchBlock)
    learn(node, certificate(node, 2, proposal_at_2(node)[1]))
    node.step(Synced(2, OTHER, START_S, certificate(node, 2, OTHER).encode(), node.network.sets(3)))


def sync_without_certificate(node: Node) -> None:
    node.step(Synced(2, OTHER, START_S, b"none", node.network.sets(3)))


def sync_with_another_certificate(node: Node) -> None:
    node.step(Synced(2, OTHER, START_S, node.disk.blocks[1].certificate, node.network.sets(3)))


def two_certificates(node: Node) -> None:
    unanswered(node, FetchBlock)
    learn(node, certificate(node, 2, proposal_at_2(node)[1]))
    learn(node, certificate(node, 2, OTHER))


def decided_on_another_parent(node: Node) -> None:
    unanswered(node, FetchBlock)
    proposal, digest = proposal_at_2(node, parent=OTHER)
    learn(node, certificate(node, 2, digest))
    node.step(BlockAvailable(proposal))


def decided_and_invalid(node: Node) -> None:
    node.network.verdict = lambda index, effect: Verdict.INVALID
    proposal, digest = proposal_at_2(node)
    learn(node, certificate(node, 2, digest))
    node.step(BlockAvailable(proposal))


def reproposed_against_the_ledger(node: Node) -> None:
    """More than f liars: a NEW-VIEW in which height 1 is another block than the committed one."""
    changes = tuple(change(i, 0, view=1) for i in range(3))
    changes = (replace(changes[0], prepared=(replace(prepared(0, 1, 9), block_hash=OTHER),)), *changes[1:])
    items = (Reproposal(1, OTHER, b""),)
    node.step(Received(address(1), NewView(0, 1, changes, items, 1, b"")))


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (deliver_unasked, "without being asked"),
        (deliver_another, "another block than the decided one was delivered"),
        (sync_another, "sync committed another block"),
        (sync_without_certificate, "sync gave no certificate"),
        (sync_with_another_certificate, "another block's certificate"),
        (two_certificates, "two commit certificates"),
        (decided_on_another_parent, "does not follow its parent"),
        (decided_and_invalid, "is invalid here"),
        (reproposed_against_the_ledger, "re-proposes another block at committed height 1"),
    ],
)
def test_what_cannot_be_stops_the_replica(cause: Callable[[Node], None], reason: str) -> None:
    """R-7 and its like: Halt, and not another effect to whatever comes after."""
    node = idle().nodes[BACKUP]
    cause(node)
    assert reason in node.halted
    halt = last(node, Halt)
    assert isinstance(halt, Halt) and halt.reason == node.replica.status().halted
    assert node.replica.step(Persisted(1), node.network.instant()) == []


def test_guards_that_do_not_settle_stop_the_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop of our own making ends in a Halt."""
    monkeypatch.setattr(replica_module, "SETTLE_LIMIT", 0)
    node = Network(4).nodes[0]
    node.step(Started())
    assert "do not settle" in node.halted


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"window": 0}, "window"),
        ({"window": 5}, "window"),
        ({"epoch_length": 1}, "epoch length"),
        ({"timeout_us": 0}, "timeouts"),
        ({"timeout_max_us": 1}, "timeouts"),
    ],
)
def test_parameters_out_of_range_are_refused(changes: dict[str, object], reason: str) -> None:
    """A replica is never built on parameters that its rules do not cover."""
    with pytest.raises(ImpossibleState, match=reason):
        a_replica(make_config(**changes))


def a_replica(config: Config | None = None, ledger: LedgerState | None = None, me: int = 0) -> Replica:
    sets = tuple(address(i) for i in range(4))
    ledger = ledger or LedgerState(0, GENESIS_HASH, START_S, sets)
    restored = Restored(ledger, 0, 0, {})
    signer = NullSigner(address(me))
    return Replica(config or make_config(), signer.address, signer, NullVerifier(), decode_header, restored)


def test_a_ledger_whose_head_has_no_certificate_is_refused() -> None:
    """Without it neither the next block's parentBeaconBlockRoot nor a VIEW-CHANGE's base could be stated (P-11)."""
    sets = tuple(address(i) for i in range(4))
    with pytest.raises(ImpossibleState, match="no certificate"):
        a_replica(ledger=LedgerState(5, OTHER, START_S, sets))


def test_who_is_no_validator_never_signs() -> None:
    """The last line of defence: no index, no signature."""
    replica = a_replica(me=7)
    assert not replica.status().is_validator and replica.status().normal
    with pytest.raises(ImpossibleState, match="no validator"):
        replica._core.sign_vote(Kind.COMMIT, 0, 1, OTHER)


def test_nothing_is_done_before_started() -> None:
    """Events that come first are kept, and acted on with Started."""
    node = Network(1).nodes[0]
    node.step(WorkChanged(True, 0))
    assert node.effects == []
    node.step(Started())
    assert node.height == 1
