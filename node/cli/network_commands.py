"""``praya network``: make, start, stop and advance a consortium on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli.network import processes, test_clock
from node.cli.network.layout import NETWORK_FILE, Network, load_network
from node.errors import ConfigError

app = typer.Typer(no_args_is_help=True)

Dir = Annotated[Path, typer.Option("--dir", help="Folder of the network.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Banks = Annotated[int, typer.Option("--banks", help="Banks that vote, 1 to 10.")]
Observers = Annotated[int, typer.Option("--observers", help="Nodes that hold and serve the chain without a vote.")]
Accounts = Annotated[
    int, typer.Option("--accounts", help="Registered, funded developer accounts that may send and deploy, 0 to 1000.")
]
ChainId = Annotated[int, typer.Option("--chain-id", help="Up to 4503599627370476.")]
StrictTime = Annotated[
    bool,
    typer.Option("--strict-time", help="Each block later than its parent: any Ethereum implementation re-executes."),
]
TestClock = Annotated[
    str | None, typer.Option("--test-clock", help="Begin at this ISO date or UTC time and allow `advance`.")
]

EpochLength = Annotated[int, typer.Option("--epoch-length", help="Heights between two edges at which sets change.")]
ActivationDelay = Annotated[
    int, typer.Option("--activation-delay", help="Blocks from a change of the set to its earliest edge.")
]
Window = Annotated[
    int, typer.Option("--window", help="Blocks agreed on at once, 1 to 4; fixed for the chain's life (P-11).")
]

DEFAULT_CHAIN_ID = 853_600
EPOCH_LENGTH = 100
ACTIVATION_DELAY = 10
WINDOW = 1
"""As genesis making has them; it is not loaded for a command's help."""


@app.command()
def init(
    directory: Dir,
    banks: Banks = 4,
    observers: Observers = 0,
    accounts: Accounts = 1,
    chain_id: ChainId = DEFAULT_CHAIN_ID,
    strict_time: StrictTime = False,
    clock: TestClock = None,
    epoch_length: EpochLength = EPOCH_LENGTH,
    activation_delay: ActivationDelay = ACTIVATION_DELAY,
    window: Window = WINDOW,
    as_json: AsJson = False,
) -> None:
    """Write one folder for each bank, with keys, certificates and genesis; the authority's key in its own."""
    network = _init(
        directory,
        clock,
        banks=banks,
        observers=observers,
        accounts=accounts,
        chain_id=chain_id,
        strict_time=strict_time,
        epoch_length=epoch_length,
        activation_delay=activation_delay,
        window=window,
    )
    _print(network, as_json)


@app.command()
def up(
    directory: Dir,
    banks: Banks = 4,
    observers: Observers = 0,
    accounts: Accounts = 1,
    chain_id: ChainId = DEFAULT_CHAIN_ID,
    strict_time: StrictTime = False,
    clock: TestClock = None,
    epoch_length: EpochLength = EPOCH_LENGTH,
    activation_delay: ActivationDelay = ACTIVATION_DELAY,
    window: Window = WINDOW,
    as_json: AsJson = False,
) -> None:
    """Start every node and return when block 1 is final on every bank; init first where there is nothing yet."""
    if (directory / NETWORK_FILE).exists():
        network = load_network(directory)
    else:
        network = _init(
            directory,
            clock,
            banks=banks,
            observers=observers,
            accounts=accounts,
            chain_id=chain_id,
            strict_time=strict_time,
            epoch_length=epoch_length,
            activation_delay=activation_delay,
            window=window,
        )
    from node.cli.network.files import with_free_ports

    network = with_free_ports(network)
    for node in network.nodes:
        processes.start(node)
    processes.wait_for_height(network.nodes, 1)
    _print(network, as_json)


@app.command()
def stop(
    bank: Annotated[str, typer.Argument(help="Short name of a bank or observer.")],
    directory: Dir,
    kill: Annotated[bool, typer.Option("--kill", help="SIGKILL instead of SIGTERM.")] = False,
) -> None:
    """Stop one node; its data stay."""
    node = load_network(directory).node(bank)
    stopped = processes.stop([node], kill=kill)
    typer.echo(f"{bank} stopped" if stopped else f"{bank} was not running")


@app.command()
def start(bank: Annotated[str, typer.Argument(help="Short name of a bank or observer.")], directory: Dir) -> None:
    """Start one node and return when it serves its chain."""
    node = load_network(directory).node(bank)
    processes.start(node)
    processes.wait_for_height([node], 0)
    typer.echo(f"{bank} runs at {node.rpc_url}")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Short name: a sample bank's, or with --full-name, --bic and --place.")],
    directory: Dir,
    role: Annotated[str, typer.Option("--role", help="bank, auditor or regulator.")] = "bank",
    full_name: Annotated[str | None, typer.Option("--full-name", help="Full name of the member.")] = None,
    bic: Annotated[str | None, typer.Option("--bic", help="Its BIC.")] = None,
    place: Annotated[str | None, typer.Option("--place", help="Place of its banking days, such as HKHKG.")] = None,
) -> None:
    """Make the folder of one more node: keys, certificate, settings, logins, and the record to be voted on."""
    from contracts.consortium import Role
    from node.cli.network.files import RECORD_FILE, add_node
    from node.cli.network.samples import institution_of

    roles = {each.name.lower(): each for each in Role}
    if role not in roles:
        raise ConfigError(f"--role is one of {', '.join(roles)}", field="role")
    institution = institution_of(name, full_name, bic, place)
    _, node = add_node(load_network(directory), institution, roles[role])
    act = "add-bank" if role == "bank" else "add-observer"
    typer.echo(f"{name}: {node.path}")
    typer.echo(f"the members' vote: praya consortium propose {act} --record {node.path / RECORD_FILE}")
    typer.echo(f"then: praya network start {name} --dir {directory}")


@app.command("new-key")
def new_key_(bank: Annotated[str, typer.Argument(help="Short name of a bank.")], directory: Dir) -> None:
    """Draw a bank's next validator key (lost signing state means a new key), signed by this network's authority."""
    from node.app import new_key
    from node.cli.network.files import with_new_key
    from node.keys.tls import load_authority

    network = load_network(directory)
    node = network.node(bank)
    made = new_key.prepare(
        node.path, chain_id=network.chain_id, name=node.name, authority=load_authority(network.path / "ca")
    )
    with_new_key(network, node, made.address)
    typer.echo(new_key_text(made.address, node.bic))


def new_key_text(address: bytes, bic: str) -> str:
    """What an operator does with a new key."""
    return (
        f"next validator key: 0x{address.hex()}\n"
        "from its next start this node no longer votes with the old key\n"
        f"the members' vote: praya consortium propose set-validator 0x{address.hex()} --bank {bic}\n"
        "when it has been executed, start the node again: it takes the new key up, and votes from the next edge on"
    )


@app.command()
def down(directory: Dir) -> None:
    """Stop every node; no process stays behind."""
    stopped = processes.stop(load_network(directory).nodes)
    typer.echo(f"stopped: {', '.join(stopped) if stopped else 'nothing was running'}")


@app.command()
def advance(
    directory: Dir,
    duration: Annotated[str | None, typer.Argument(help="Like 3d, 36h or 90m.")] = None,
    banking_days: Annotated[
        int | None, typer.Option("--banking-days", help="To the same time that many banking days on.")
    ] = None,
    place: Annotated[str | None, typer.Option("--place", help="Whose banking days: HK, SG, GB, CN or US.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="To this ISO date or UTC time.")] = None,
) -> None:
    """Move the test clock of every bank forward; only a network made with --test-clock accepts it."""
    network = load_network(directory)
    given = [option for option in (duration, banking_days, to) if option is not None]
    if len(given) != 1:
        raise ConfigError("give one of: a duration, --banking-days with --place, or --to", field="duration")
    now = test_clock.block_time_now(network) if network.test_clock is not None else 0
    if duration is not None:
        seconds = test_clock.parse_duration(duration)
    elif to is not None:
        seconds = test_clock.parse_start(to) - now
    else:
        if place is None or banking_days is None:
            raise ConfigError("--banking-days needs --place", field="place")
        from node.cli.network.banking_days import same_time_banking_days_later

        seconds = same_time_banking_days_later(now, banking_days, place) - now
    if network.test_clock is not None and seconds <= 0:
        raise ConfigError("the test clock moves forward only", field="duration")
    reached = test_clock.advance(network, seconds)
    typer.echo(f"block time is {test_clock.as_utc(reached)}")


def _init(directory: Path, clock: str | None, **choices: Any) -> Network:
    """``choices``: the fields of NetworkSpec that options give as they are."""
    from node.cli.network.files import NetworkSpec, init_network

    start = test_clock.parse_start(clock) if clock is not None else None
    return init_network(directory, NetworkSpec(test_clock=start, **choices))


def _print(network: Network, as_json: bool) -> None:
    marks = {node.name: processes.running(node) for node in network.nodes}
    rows = {
        role: [node.description(mark.pid if (mark := marks[node.name]) else None) for node in nodes]
        for role, nodes in (("banks", network.banks), ("observers", network.observers))
    }
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "chain_id": network.chain_id,
                    "genesis_hash": network.genesis_hash,
                    **rows,
                    "accounts_file": str(network.accounts_file),
                }
            )
        )
        return
    typer.echo(f"chain {network.chain_id}, genesis {network.genesis_hash}, folder {network.path}")
    for row in (*rows["banks"], *rows["observers"]):
        state = f"pid {row['pid']}" if row["pid"] else "not running"
        typer.echo(f"  {row['name']:<12} {row['rpc_url']:<24} {row['console_url']:<26} {state}")
