"""``praya network init``: every key, certificate, configuration and the genesis of a consortium on this machine.

The keystores use scrypt's light setting and random passwords that lie beside them: such a network lives on one
machine. A real bank makes its own keys, and sends the authority a signing request.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from consensus.types import WINDOW_MAX
from contracts.consortium import Member, Role
from node.chain.genesis import CHAIN_ID_MAX, Genesis
from node.cli.network import processes
from node.cli.network.layout import NETWORK_FILE, Network, NodeFolder, save_network
from node.cli.network.officers import add_officers, write_officers
from node.cli.network.samples import Institution, banks_of, observers_of
from node.clock import CLOCK_FILE, ClockStep, write_clock_steps
from node.errors import ConfigError, UnavailableError
from node.execution.genesis_alloc import ACTIVATION_DELAY, EPOCH_LENGTH, WINDOW, ConsortiumSpec, make_genesis
from node.execution.ledger import Ledger
from node.governance.record import member_id, record_json
from node.keys import PrivateKey
from node.keys.keystore import save_keystore, write_secret_file
from node.keys.tls import CertificateAuthority, load_authority, make_authority, make_node_files, save_authority
from node.privacy.encryption_key import EncryptionKey
from node.trade.calendar import compute_years
from node.types import Address, to_hex

BANKS_MAX = 10
OBSERVERS_MAX = 10
ACCOUNTS_MAX = 1_000
EPOCH_LENGTH_MAX = 1_000_000
CALENDAR_YEARS = 3
"""Years of banking days agreed in genesis; beyond them deadlines are provisional (design.md section 8)."""
DEVELOPER_BALANCE = 10**24
HOST = "127.0.0.1"
TEMPLATE_FILE = "node.toml"
RECORD_FILE = "member.json"
PORT_MIN = 10_000
PORT_MAX = 65_535
PORT_ROOM_MIN = 2_000
PORT_TRIES = 200
PORTS_ENV = "PRAYA_PORTS"
"""LOW-HIGH: where ports are taken from instead, so that networks made side by side never meet, not even while a bank of
one is down."""
EPHEMERAL_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
EPHEMERAL_PORTS_DEFAULT = 32_768


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """What ``praya network init`` is asked for."""

    banks: int
    observers: int
    accounts: int
    chain_id: int
    strict_time: bool
    test_clock: int | None
    epoch_length: int = EPOCH_LENGTH
    activation_delay: int = ACTIVATION_DELAY
    window: int = WINDOW

    def check(self) -> None:
        """ConfigError names the option and its limit."""
        for option, value, low, high in (
            ("banks", self.banks, 1, BANKS_MAX),
            ("observers", self.observers, 0, OBSERVERS_MAX),
            ("accounts", self.accounts, 0, ACCOUNTS_MAX),
            ("chain-id", self.chain_id, 1, CHAIN_ID_MAX),
            ("epoch-length", self.epoch_length, 1, EPOCH_LENGTH_MAX),
            ("activation-delay", self.activation_delay, self.window + 1, EPOCH_LENGTH_MAX),
            ("window", self.window, 1, WINDOW_MAX),
        ):
            if not low <= value <= high:
                raise ConfigError(f"--{option} is {value}, allowed are {low} to {high}", field=option)


@dataclass(frozen=True, slots=True)
class _Seat:
    """One member with the keys that its node will hold."""

    institution: Institution
    number: int
    role: Role
    validator: PrivateKey | None
    business: PrivateKey
    encryption: EncryptionKey

    def member(self) -> Member:
        return Member(
            id=member_id(self.institution.bic),
            name=self.institution.name,
            bic=self.institution.bic,
            lei=self.institution.lei(self.number),
            role=self.role,
            place=self.institution.place,
            business_address=self.business.address,
            validator_address=self.validator.address if self.validator else None,
            encryption_key=self.encryption.public,
        )


def init_network(directory: Path, spec: NetworkSpec) -> Network:
    """Write a new network's folder. ConfigError where one is there already or an option is out of its bounds."""
    spec.check()
    directory = directory.resolve()
    if (directory / NETWORK_FILE).exists():
        raise ConfigError(f"{directory} holds a network already", field="dir")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    seats = _make_seats(spec)
    developers = [PrivateKey.generate() for _ in range(spec.accounts)]
    now = int(time.time())
    started = spec.test_clock if spec.test_clock is not None else now
    genesis = _make_genesis(spec, seats, developers, started)
    authority = make_authority("Praya consortium (this machine)")
    save_authority(directory / "ca", authority)
    ports = free_ports(4 * len(seats))
    nodes = tuple(_folder(directory, seat, ports[4 * index : 4 * index + 4]) for index, seat in enumerate(seats))
    genesis_text = json.dumps(genesis.document, indent=1) + "\n"
    (directory / "genesis.json").write_text(genesis_text)
    tag_key = secrets.token_hex(32).encode()  # one key for the consortium: the same invoice, the same tag
    steps = [ClockStep(0.0, started - now)] if spec.test_clock is not None else None
    for seat, node in zip(seats, nodes, strict=True):
        _write_node(node, seat, nodes, authority, genesis_text, spec.chain_id, tag_key)
        if steps is not None:
            write_clock_steps(node.path / CLOCK_FILE, steps)
    # Every node begins with a copy of height 0 that was made once.
    ledger = Ledger.open(directory / "genesis-chain", genesis)
    genesis_hash = ledger.genesis_hash
    ledger.close()
    for node in nodes:
        shutil.copytree(directory / "genesis-chain", node.path / "chain")
    shutil.rmtree(directory / "genesis-chain")
    network = Network(
        path=directory,
        chain_id=spec.chain_id,
        genesis_hash=to_hex(genesis_hash),
        strict_time=spec.strict_time,
        test_clock=spec.test_clock,
        nodes=nodes,
    )
    write_secret_file(network.accounts_file, _accounts_document(developers))
    write_officers(network)
    save_network(network)
    return network


def add_node(network: Network, institution: Institution, role: Role) -> tuple[Network, NodeFolder]:
    """The folder of one more node for a network that may be running: keys, certificate, settings, officers, and the
    record on which the members vote (``member.json``). Until they have, nobody answers it.

    The other nodes' settings name the new peer from their next start on; until then it is the new node that dials.
    ConfigError where name or BIC is taken.
    """
    if any(institution.short == node.name or institution.bic == node.bic for node in network.nodes):
        raise ConfigError(f"{institution.short} or {institution.bic} is in this network already", field="name")
    validator = PrivateKey.generate() if role is Role.BANK else None
    number = len(network.nodes) + 1
    seat = _Seat(institution, number, role, validator, PrivateKey.generate(), EncryptionKey.generate())
    node = _folder(network.path, seat, free_ports(4))
    grown = replace(network, nodes=(*network.nodes, node))
    neighbour = network.nodes[0].path
    authority = load_authority(network.path / "ca")
    genesis_text, tag_key = (network.path / "genesis.json").read_text(), (neighbour / "tag.key").read_bytes()
    _write_node(node, seat, grown.nodes, authority, genesis_text, network.chain_id, tag_key)
    if network.test_clock is not None:
        shutil.copyfile(neighbour / CLOCK_FILE, node.path / CLOCK_FILE)
    (node.path / RECORD_FILE).write_text(json.dumps(record_json(seat.member()), indent=1) + "\n")
    add_officers(grown, node)
    _rewrite_settings(network.nodes, grown)
    save_network(grown)
    return grown, node


def with_new_key(network: Network, node: NodeFolder, address: Address) -> Network:
    """The network after ``node`` has drawn its next validator key: the others expect it from their next start on."""
    renewed = replace(node, validator_address=to_hex(address), role="validator")
    nodes = tuple(renewed if each is node else each for each in network.nodes)
    changed = replace(network, nodes=nodes)
    _rewrite_settings([each for each in nodes if each is not renewed], changed)
    save_network(changed)
    return changed


def _rewrite_settings(nodes: Sequence[NodeFolder], network: Network) -> None:
    for node in nodes:
        node.config_file.write_text(_config_text(node, network.nodes, demo=True))


def with_free_ports(network: Network) -> Network:
    """The network itself where its ports are free or its own nodes hold them; otherwise with new ports, rewritten."""
    down = [node for node in network.nodes if processes.running(node) is None]
    taken = any(not _is_free(node.host, port) for node in down for port in _ports(node))
    if not taken or len(down) < len(network.nodes):
        return network
    fresh = free_ports(4 * len(network.nodes))
    nodes = tuple(
        replace(
            node,
            p2p_port=fresh[4 * i],
            rpc_port=fresh[4 * i + 1],
            web_port=fresh[4 * i + 2],
            metrics_port=fresh[4 * i + 3],
        )
        for i, node in enumerate(network.nodes)
    )
    moved = replace(network, nodes=nodes)
    for node in nodes:
        node.config_file.write_text(_config_text(node, nodes, demo=True))
    save_network(moved)
    return moved


def free_ports(count: int) -> list[int]:
    """Neighbouring ports of the loopback interface that nobody listens on at this moment.

    They lie below the range from which the kernel takes the ports of outgoing connections: a bank that was killed finds
    its own free when it comes back. A run of neighbours, so that two networks made at once hardly meet.
    """
    low, end = _port_range()
    for _ in range(PORT_TRIES):
        first = low + secrets.randbelow(max(1, end - count - low))
        ports = list(range(first, first + count))
        if all(_is_free(HOST, port) for port in ports):
            return ports
    raise UnavailableError(f"no {count} neighbouring ports are free on {HOST} above {low}", field="port")


def _port_range() -> tuple[int, int]:
    stated = os.environ.get(PORTS_ENV)
    if stated is None:
        return PORT_MIN, _port_end()
    low, dash, end = stated.partition("-")
    if not (dash and low.isdecimal() and end.isdecimal() and 1024 <= int(low) < int(end) <= PORT_MAX):
        raise ConfigError(f"{PORTS_ENV} is {stated!r}, not LOW-HIGH between 1024 and {PORT_MAX}", field=PORTS_ENV)
    return int(low), int(end)


def _port_end() -> int:
    """Where the kernel's own choice begins; the end of all ports where that leaves too little."""
    try:
        ephemeral = int(EPHEMERAL_PORTS.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        ephemeral = EPHEMERAL_PORTS_DEFAULT
    return ephemeral if ephemeral >= PORT_MIN + PORT_ROOM_MIN else PORT_MAX


def _make_seats(spec: NetworkSpec) -> list[_Seat]:
    banks = [(institution, Role.BANK) for institution in banks_of(spec.banks)]
    watchers = [
        (institution, Role.REGULATOR if index == 1 else Role.AUDITOR)
        for index, institution in enumerate(observers_of(spec.observers))
    ]
    seats = []
    for number, (institution, role) in enumerate([*banks, *watchers], start=1):
        validator = PrivateKey.generate() if role is Role.BANK else None
        seats.append(_Seat(institution, number, role, validator, PrivateKey.generate(), EncryptionKey.generate()))
    return seats


def _make_genesis(
    spec: NetworkSpec, seats: Sequence[_Seat], developers: Sequence[PrivateKey], timestamp: int
) -> Genesis:
    year = time.gmtime(timestamp).tm_year
    places = sorted({institution.place for institution in (*banks_of(BANKS_MAX), *observers_of(2))})
    return make_genesis(
        ConsortiumSpec(
            chain_id=spec.chain_id,
            timestamp=timestamp,
            members=tuple(seat.member() for seat in seats),
            developers=tuple(Address(key.address) for key in developers),
            calendars=tuple(compute_years(places, range(year, year + CALENDAR_YEARS))),
            strict_timestamps=spec.strict_time,
            test_clock=spec.test_clock,
            epoch_length=spec.epoch_length,
            activation_delay=spec.activation_delay,
            window=spec.window,
        )
    )


def _folder(directory: Path, seat: _Seat, ports: Sequence[int]) -> NodeFolder:
    observer = seat.validator is None
    return NodeFolder(
        name=seat.institution.short,
        path=directory / ("observers" if observer else "banks") / seat.institution.short,
        role="observer" if observer else "validator",
        host=HOST,
        p2p_port=ports[0],
        rpc_port=ports[1],
        web_port=ports[2],
        metrics_port=ports[3],
        validator_address=to_hex(seat.validator.address) if seat.validator else None,
        business_address=to_hex(seat.business.address),
        member=seat.institution.name,
        bic=seat.institution.bic,
    )


def _write_node(
    node: NodeFolder,
    seat: _Seat,
    nodes: Sequence[NodeFolder],
    authority: CertificateAuthority,
    genesis_text: str,
    chain_id: int,
    tag_key: bytes,
) -> None:
    node.path.mkdir(mode=0o700, parents=True)
    (node.path / "genesis.json").write_text(genesis_text)
    node.config_file.write_text(_config_text(node, nodes, demo=True))
    keystore = node.path / "keystore"
    keys = {"business": seat.business} | ({"validator": seat.validator} if seat.validator else {})
    for use, key in keys.items():
        password = secrets.token_urlsafe(24)
        save_keystore(keystore / f"{use}.json", key, password, light=True)
        write_secret_file(keystore / f"{use}.password", password.encode())
    write_secret_file(node.path / "tag.key", tag_key)
    seat.encryption.save(node.path / "encryption.key")
    transport = seat.validator if seat.validator is not None else seat.business
    make_node_files(node.path / "tls", authority, transport, chain_id=chain_id, common_name=node.name)


def _config_text(node: NodeFolder, nodes: Sequence[NodeFolder], *, demo: bool) -> str:
    lines = [
        "[node]",
        f'name = "{node.name}"',
        f'member = "{node.member}"',
        f'role = "{node.role}"',
        f'environment = "{"DEMO" if demo else "PROD"}"',
        "",
        "[listen]",
        f'host = "{node.host}"',
        f"p2p_port = {node.p2p_port}",
        f"rpc_port = {node.rpc_port}",
        f"web_port = {node.web_port}",
        f"metrics_port = {node.metrics_port}",
    ]
    for peer in nodes:
        if peer.name != node.name:
            lines += [
                "",
                "[[peers]]",
                f'name = "{peer.name}"',
                f'host = "{peer.host}"',
                f"port = {peer.p2p_port}",
                f'address = "{peer.validator_address or peer.business_address}"',
            ]
    return "\n".join(lines) + "\n"


def _accounts_document(developers: Sequence[PrivateKey]) -> bytes:
    rows = [{"address": to_hex(key.address), "private_key": to_hex(key.secret_bytes())} for key in developers]
    return (json.dumps({"accounts": rows}, indent=1) + "\n").encode()


def _ports(node: NodeFolder) -> tuple[int, int, int, int]:
    return node.p2p_port, node.rpc_port, node.web_port, node.metrics_port


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, port))
        except OSError:
            return False
        return True
