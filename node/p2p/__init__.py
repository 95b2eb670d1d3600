"""Floor 3: authenticated connections between members over mutual TLS 1.3."""

from node.p2p.frames import Priority
from node.p2p.identity import NodeIdentity
from node.p2p.link import PeerRefused
from node.p2p.network import PeerNetwork, Refusal
from node.p2p.peer import PeerAddress, PeerInfo, PeerRole, RequestRefused

__all__ = [
    "NodeIdentity",
    "PeerAddress",
    "PeerInfo",
    "PeerNetwork",
    "PeerRefused",
    "PeerRole",
    "Priority",
    "Refusal",
    "RequestRefused",
]
