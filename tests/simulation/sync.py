"""What a simulated host fetches: one block by its hash, or all blocks with certificates from committed + 1 on.

Nothing that a peer serves is believed: a block must have the hash asked for, or a certificate of its height's set,
its parent's hash, and content that holds (P-10, P-11). A bad answer leads to the next peer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from consensus import types as c
from consensus.certificates import CommitCertificate, verify_commit_certificate
from consensus.errors import ConsensusError
from tests.simulation.blocks import block_hash, decode_block

if TYPE_CHECKING:
    from tests.simulation.host import Host

ANSWER_TIMEOUT_US = 150_000

Served = tuple[c.Proposal, bytes]


class BlockSync:
    """One host's fetches; thrown away when the host dies."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._target = 0
        self._peers: list[int] = []
        self._misses = 0
        self._request = 0

    # --- one block --------------------------------------------------------------------------------------

    def fetch(self, height: int, digest: c.Digest, peers: list[int]) -> None:
        """Ask ``peers`` in turn, once each, for the block of this hash."""
        if not peers:
            return
        host, world = self._host, self._host.world
        peer, rest = peers[0], peers[1:]
        done = [False]

        def answer(proposal: c.Proposal | None) -> None:
            if not done[0]:
                done[0] = True
                if proposal is not None and block_hash(proposal.block) == digest:
                    world.monitors.fetched(digest)
                    host.feed(c.BlockAvailable(proposal))
                else:
                    self.fetch(height, digest, rest)

        world.ask(host, peer, lambda server: server.serve_block(height, digest), answer)
        host.after(ANSWER_TIMEOUT_US, lambda: answer(None))

    # --- the chain --------------------------------------------------------------------------------------

    def start(self, target: int, peers: list[int]) -> None:
        """Fetch up to ``target``, from ``peers`` first; a later call moves the target up."""
        idle = self._target <= self._host.ledger.height
        self._target = max(self._target, target)
        others = [peer for peer in self._host.world.others[self._host.index] if peer not in peers]
        self._peers = [peer for peer in peers if peer != self._host.index] + others
        self._misses = 0
        if idle:
            self._next()

    def _next(self) -> None:
        host = self._host
        height = host.ledger.height + 1
        if height > self._target:
            return
        if self._misses >= len(self._peers):
            self._target = 0  # nobody has it: the replica will ask again
            return
        self._request += 1
        request = self._request

        def answer(served: Served | None) -> None:
            if self._request != request or height != host.ledger.height + 1:
                if self._request == request:
                    self._next()
                return
            self._request += 1
            if served is not None and self._accept(height, *served):
                self._misses = 0
            else:
                self._misses += 1
                self._peers.append(self._peers.pop(0))
                # A rotated list: the count of misses alone says when all were asked.
            if host.alive:
                self._next()

        host.world.ask(host, self._peers[0], lambda server: server.serve_height(height), answer)
        host.after(ANSWER_TIMEOUT_US, lambda: answer(None))

    def _accept(self, height: int, proposal: c.Proposal, certificate: bytes) -> bool:
        host, world = self._host, self._host.world
        try:
            proof = CommitCertificate.decode(certificate)
            verify_commit_certificate(proof, host.replica.schedule, world.verifier)
            block = decode_block(proposal.block)
        except ConsensusError:
            return False
        digest = block_hash(proposal.block)
        if proof.height != height or proof.block_hash != digest or block.parent_hash != host.ledger.head_hash:
            return False
        if world.certificate_hash(proposal.certificate) != block.parent_beacon_block_root:
            return False
        if world.broken_rule(block, host.ledger.tip, host):
            return False
        world.count("synced")
        host.commit(height, digest, proposal, certificate)
        if host.alive:
            host.feed(c.Synced(height, digest, block.timestamp, certificate, host.ledger.next_validators))
        return True
