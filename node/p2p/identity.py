"""Who this node is, and who is at the other end of a connection."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from node.keys.tls import TlsFiles, verify_binding
from node.p2p.frames import Hello
from node.p2p.link import PeerRefused
from node.types import Address, Hash32


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """Who this node is on which chain. ``address``: its validator's, an observer's: its business account."""

    address: Address
    chain_id: int
    genesis_hash: Hash32
    parameters_hash: Hash32
    tls: TlsFiles

    def hello(self, instance: bytes, head: tuple[int, Hash32]) -> Hello:
        """The first frame of this process (``instance``) on a connection."""
        return Hello(self.chain_id, self.genesis_hash, self.parameters_hash, self.address, instance, *head)

    def check_hello(self, theirs: Hello, address: Address) -> None:
        """Same chain, genesis and parameters, and the ``address`` that the certificate proved. Raises PeerRefused."""
        for reason, mine, their in (
            ("wrong_chain", self.chain_id, theirs.chain_id),
            ("wrong_genesis", self.genesis_hash, theirs.genesis_hash),
            ("wrong_parameters", self.parameters_hash, theirs.parameters_hash),
            ("identity_mismatch", address, theirs.address),
        ):
            if mine != their:
                shown = their.hex() if isinstance(their, bytes) else their
                raise PeerRefused(reason, f"the peer's Hello says {shown}")


def proved_address(tls: object, chain_id: int) -> Address:
    """The address for which the certificate of a TLS connection speaks. Raises PeerRefused, BindingRefused."""
    certificate = tls.getpeercert(binary_form=True) if isinstance(tls, ssl.SSLObject) else None
    if certificate is None:
        raise PeerRefused("no_certificate", "the connection has no certificate")
    return verify_binding(certificate, chain_id)
