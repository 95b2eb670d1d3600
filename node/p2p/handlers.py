"""Who is told of what a peer sends: the registry that other floors fill before the network starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from node.p2p.frames import BadFrame, Frame, HeadFrame, MessageFrame, RequestFrame, ResponseFrame, TransactionsFrame
from node.p2p.peer import Peer, PeerInfo, PeerRole, RequestHandler
from node.types import Address, Hash32

FrameHandler: TypeAlias = Callable[[Address, bytes], None]
TransactionsHandler: TypeAlias = Callable[[Address, tuple[bytes, ...]], None]
HeadHandler: TypeAlias = Callable[[Address, int, Hash32], None]
PeerHandler: TypeAlias = Callable[[PeerInfo], None]
MetricHook: TypeAlias = Callable[[str, float, dict[str, str]], None]
"""(name, amount, labels): frames_sent, frames_received, bytes_received, frames_dropped, bad_frames and refused are
added up; peers is set."""


class Handlers:
    """Plain functions that return at once (they queue); only requests are answered by coroutines."""

    def __init__(self, metrics: MetricHook) -> None:
        self._metrics = metrics
        self.frames: dict[str, FrameHandler] = {}
        self.requests: dict[str, RequestHandler] = {}
        self.transactions: list[TransactionsHandler] = []
        self.heads: list[HeadHandler] = []
        self.connected: list[PeerHandler] = []
        self.disconnected: list[PeerHandler] = []

    def dispatch(self, peer: Peer, frame: Frame) -> None:
        """Hand one frame to whom it is for. Raises BadFrame, and whatever a handler raises."""
        if isinstance(frame, MessageFrame):
            handler = self.frames.get(frame.kind)
            if handler is None:
                raise BadFrame("kind", f"no one takes messages of kind {frame.kind!r}")
            self._metrics("frames_received", 1, {"kind": frame.kind})
            handler(peer.address, frame.payload)
        elif isinstance(frame, TransactionsFrame):
            self._metrics("frames_received", 1, {"kind": "transactions"})
            if peer.role is PeerRole.SOURCE:
                return  # whoever sends them to the members reaches this node too, once it is among them
            for take in self.transactions:
                take(peer.address, frame.transactions)
        elif isinstance(frame, HeadFrame):
            self.head(peer, frame.number, Hash32(frame.hash))
        elif isinstance(frame, RequestFrame):
            peer.serve(frame, self.requests.get(frame.kind))
        elif isinstance(frame, ResponseFrame):
            peer.receive_response(frame)
        else:
            raise BadFrame("type", "a second Hello")

    def head(self, peer: Peer, number: int, block_hash: Hash32) -> None:
        """The peer's last final block, from its Hello or an announcement."""
        peer.head_number, peer.head_hash = number, block_hash
        for handler in self.heads:
            handler(peer.address, number, block_hash)
