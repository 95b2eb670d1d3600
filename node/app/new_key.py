"""A bank's next validator key (P-18): made beside the old one, voted in by the members, taken up at a start.

Lost or rolled-back signing state cannot be mended, only left behind: from the start after the next key is made, this
node no longer votes with the old one. It goes on serving and syncing, so that it learns of the vote. When the register
names the next key, the node's next start retires key, certificate and vote log, and begins with the new ones. The steps
can be cut short anywhere and are done again at the next start; the rename of the keystore is the last.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consensus.validators import epoch_of
from consensus.wal_records import State
from node import permissioning
from node.engine.wal import WriteAheadLog
from node.errors import ConfigError
from node.execution.ledger import Ledger
from node.keys import PrivateKey
from node.keys.keystore import load_keystore, read_secret_file, save_keystore, write_secret_file
from node.keys.tls import (
    CA_FILE,
    CERTIFICATE_FILE,
    CRL_FILE,
    KEY_FILE,
    CertificateAuthority,
    make_node_files,
    make_signing_request,
)
from node.log import get_logger
from node.types import Address, to_hex

KEY: Final = "validator"
NEXT: Final = "validator-next"
TLS_NEXT: Final = "tls-next"
REQUEST_FILE: Final = "request.pem"
HOSTS_LOCAL: Final = ("localhost", "127.0.0.1", "::1")

_log = get_logger("app")


@dataclass(frozen=True, slots=True)
class Prepared:
    """The key that was made, and the request that the consortium's authority must sign (None: it has signed)."""

    address: Address
    request: Path | None


def waits(directory: Path) -> bool:
    """Whether a next validator key lies in the node's folder."""
    return (directory / "keystore" / f"{NEXT}.json").exists()


def prepare(
    directory: Path,
    *,
    chain_id: int,
    name: str,
    hosts: Sequence[str] = HOSTS_LOCAL,
    authority: CertificateAuthority | None = None,
) -> Prepared:
    """Draw a new key and a certificate for it. ``authority`` signs at once; without one a request is written, and its
    answer belongs beside it as ``node.crt``. ConfigError where a next key waits already: it is never drawn twice."""
    if waits(directory):
        raise ConfigError(
            f"a next key waits in {directory / 'keystore'}: the members vote on that one", field="keystore"
        )
    key = PrivateKey.generate()
    keystore, tls = directory / "keystore", directory / TLS_NEXT
    for rest in (keystore / f"{NEXT}.password", *tls.glob("*")):
        rest.unlink(missing_ok=True)  # of an attempt that was cut short before there was a key
    request_file = None
    if authority is not None:
        make_node_files(tls, authority, key, chain_id=chain_id, common_name=name, hosts=hosts)
    else:
        request = make_signing_request(key, chain_id=chain_id, common_name=name, hosts=hosts)
        request_file = tls / REQUEST_FILE
        write_secret_file(tls / KEY_FILE, request.key_pem)
        write_secret_file(tls / CA_FILE, (directory / "tls" / CA_FILE).read_bytes())
        write_secret_file(request_file, request.request_pem)
    password = os.urandom(24).hex()
    write_secret_file(keystore / f"{NEXT}.password", password.encode())
    save_keystore(keystore / f"{NEXT}.json", key, password, light=authority is not None)
    return Prepared(Address(key.address), request_file)


def take_up(directory: Path, business: Address, ledger: Ledger) -> bool:
    """At a start: where the register names the next key as this bank's, retire the old one. Whether it did.

    Raises ConfigError where the vote is through and the certificate is not there yet."""
    if not waits(directory):
        return False
    member = permissioning.member_by_address(ledger.state.head(), business)
    key = _next_key(directory / "keystore")
    if member is None or member.validator_address != key.address:
        return False
    tls_next = directory / TLS_NEXT
    if tls_next.exists() and not (tls_next / CERTIFICATE_FILE).exists():
        raise ConfigError(
            f"the members have voted for {to_hex(key.address)}, and {tls_next / CERTIFICATE_FILE} is missing",
            field="tls",
        )
    mark = f"retired-before-{key.address.hex()}"
    _retire_log(directory, mark, ledger)
    _retire_certificate(directory, mark)
    _retire_key(directory / "keystore", mark)
    _sync(directory, directory / "keystore")
    _log.warning("validator key replaced", validator=to_hex(key.address), retired=mark)
    return True


def _next_key(keystore: Path) -> PrivateKey:
    password = read_secret_file(keystore / f"{NEXT}.password").decode().strip()
    return load_keystore(keystore / f"{NEXT}.json", password)


def _retire_log(directory: Path, mark: str, ledger: Ledger) -> None:
    """A new key is bound by nothing. Its log begins above every sequence number that the ledger has seen, so that
    losing this log too is noticed (P-18)."""
    log, retired = directory / "wal", directory / f"wal-{mark}"
    if not retired.exists():
        if log.exists():
            log.rename(retired)
        else:
            retired.mkdir(mode=0o700)
    fresh = WriteAheadLog(str(log))
    try:
        if not fresh.open():
            height = ledger.head.number
            epoch = epoch_of(height + 1, ledger.parameters.epoch_length)
            fresh.start_segment(ledger.chain.wal_lsn() + 1, (State(epoch, height, None, None, (), ()),))
    finally:
        fresh.close()


def _retire_certificate(directory: Path, mark: str) -> None:
    current, following, retired = directory / "tls", directory / TLS_NEXT, directory / f"tls-{mark}"
    if not following.exists():
        return
    if current.exists() and not retired.exists():
        if (current / CRL_FILE).exists():
            shutil.copyfile(current / CRL_FILE, following / CRL_FILE)
        current.rename(retired)
    following.rename(current)


def _retire_key(keystore: Path, mark: str) -> None:
    for ending in ("json", "password"):
        old, retired = keystore / f"{KEY}.{ending}", keystore / f"{KEY}-{mark}.{ending}"
        if old.exists() and not retired.exists():
            old.rename(retired)
    if not (keystore / f"{KEY}.password").exists():
        write_secret_file(keystore / f"{KEY}.password", read_secret_file(keystore / f"{NEXT}.password"))
    (keystore / f"{NEXT}.json").rename(keystore / f"{KEY}.json")
    (keystore / f"{NEXT}.password").unlink()


def _sync(*directories: Path) -> None:
    for directory in directories:
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
