"""What a bank's doors refuse before any officer is asked: strangers, other sites, broken and oversized requests,
guesses. No secret is in a log afterwards."""

from __future__ import annotations

import concurrent.futures
import json
import re
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from node.web.sessions import FAILURES_MAX
from tests.api.door import Door, Officers
from tests.api.samples import credit_message
from tests.network.consortium import Consortium

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("api-doors")]

CANARY = "CANARY-5f1c7a90"


@pytest.fixture(scope="module")
def officers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Officers]:
    banks = Consortium.up(tmp_path_factory.mktemp("doors"), "--banks", "1", "--observers", "1")
    yield Officers(banks)
    banks.down()


@pytest.fixture
def maker(officers: Officers) -> Door:
    return officers.at("harbour", "maker")


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b'{"act": ', "body"),
        (b"\xff\xfe\x00", "body"),
        (b"[]", "body"),
        (b"", "act"),
        (b'{"act": "lc.issue", "params": {}, "hidden": 1}', "hidden"),
        (b'{"act": 7}', "act"),
        (b'{"act": "lc.issue", "params": []}', "params"),
        (b'{"act": "no.such"}', "act"),
        (b'{"act": "lc.issue", "params": {"mt700": 7}}', "mt700"),
        (b'{"act": "lc.issue", "params": {"mt7OO": ""}}', "mt7OO"),
        (b'{"act": "lc.issue", "params": {"mt700": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}", "body"),
        (b'{"act": "lc.issue", "params": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}", "body"),
        (b'{"act": "lc.examine", "params": {"credit": "0x1", "presentation": 0}}', "credit"),
        (b'{"act": "lc.examine", "params": {"credit": "0x' + b"1" * 40 + b'", "presentation": -1}}', "presentation"),
        (b'{"act": "lc.examine", "params": {"credit": "0x' + b"1" * 40 + b'", "presentation": 1e99}}', "presentation"),
        (b'{"act": "lc.examine", "params": {"credit": "0x' + b"1" * 40 + b'", "presentation": true}}', "presentation"),
        (b'{"act": "' + b"x" * 5_000_000 + b'"}', "act"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else value,
)
def test_a_wrong_body_is_refused_by_field(maker: Door, raw: bytes, field: str) -> None:
    """Malformed, unknown, mistyped and endless bodies end in 422 that names the field; nothing is drafted."""
    before = len(maker.get("/drafts").json)
    answer = maker.ask("POST", "/drafts", raw=raw)
    assert (answer.status, answer.field("field")) == (422, field), answer.body
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert len(maker.get("/drafts").json) == before


def test_a_body_over_the_limit_is_refused(maker: Door) -> None:
    """More than the route takes ends in 413."""
    answer = maker.ask("POST", "/documents/0x" + "0" * 64 + "/verification", raw=b"x" * (33 * 1024 * 1024))
    assert answer.status == 413


def test_a_compressed_body_that_is_none_is_a_bad_request(maker: Door) -> None:
    """A body that cannot be unpacked is the client's fault, not an internal error."""
    answer = maker.ask("POST", "/drafts", raw=b"\x1f\x8bgarbage", headers={"Content-Encoding": "gzip"})
    assert (answer.status, answer.field("field")) == (400, "body")


@pytest.mark.parametrize(
    "path",
    [
        "/drafts/%00",
        "/drafts/%ff%fe",
        "/drafts/..%2f..%2fkeystore",
        "/credits/0x12",
        "/credits/zz",
        "/documents/0x" + "g" * 64,
        "/credits/0x" + "1" * 40 + "/presentations/" + "9" * 5000 + "/mt734",
        "/credits/0x" + "1" * 40 + "/presentations/%D9%A3/mt734",
        "/applications/a-0",
        "/invoices/0x" + "1" * 40,
    ],
)
def test_an_odd_path_is_a_refusal_and_no_fault(maker: Door, path: str) -> None:
    """Whatever stands in the path, the answer is a problem document of the client's doing."""
    answer = maker.get(path)
    assert answer.status in (404, 422), answer.body


@pytest.mark.parametrize("door_of", ["rest_url", "rpc_url", "console_url"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_other_hosts_and_origins_reach_no_door(
    officers: Officers, door_of: str, headers: dict[str, str], status: int
) -> None:
    """A web page whose name resolves to this machine, or that sends requests from elsewhere, is refused."""
    door = Door(officers.banks.node("harbour")[door_of].rstrip("/"))
    answer = door.ask("POST", "/", {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}, headers=headers)
    assert answer.status == status


def test_a_foreign_page_opens_no_websocket(officers: Officers) -> None:
    """The Origin of a WebSocket handshake is checked as any other request's; browsers send it always."""
    door = Door(officers.banks.node("harbour")["rpc_url"])
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    assert door.ask("GET", "/", headers={**upgrade, "Origin": "https://evil.example"}).status == 403
    assert door.ask("GET", "/", headers={**upgrade, "Host": "evil.example"}).status == 421


def test_no_answer_tells_how_the_server_is_built(officers: Officers, maker: Door) -> None:
    """Problem documents carry a request id and no stack, path or library."""
    for answer in (
        maker.get("/nothing"),
        maker.ask("PATCH", "/drafts"),
        maker.ask("POST", "/drafts", raw=b"{"),
        maker.draft("lc.advise", credit="0x" + "1" * 40),
    ):
        text = answer.body.decode()
        assert answer.headers["X-Request-Id"] == answer.field("request_id")
        assert not re.search(r"Traceback|site-packages|\.py|/home|/root", text), text
    own = maker.get("/me", **{"X-Request-Id": "my-own-id.1"})
    assert own.headers["X-Request-Id"] == "my-own-id.1"
    odd = maker.get("/me", **{"X-Request-Id": "a b<script>"})
    assert odd.headers["X-Request-Id"] != "a b<script>"


def test_every_listener_is_on_loopback(officers: Officers) -> None:
    """By default no port of a node is open to another machine."""
    mine = {_port(row[key]) for row in _nodes(officers) for key in ("rpc_url", "rest_url", "metrics_url")}
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    open_ports = {int(row[1].split(":")[1], 16): row[1].split(":")[0] for row in listening if row[3] == "0A"}
    assert mine <= open_ports.keys()
    pids = {row["pid"] for row in _nodes(officers)}
    inodes = {_inode(path) for pid in pids for path in Path(f"/proc/{pid}/fd").iterdir()}
    ours = [row for row in listening if row[3] == "0A" and row[9] in inodes]
    assert len(ours) >= 4 * len(pids)
    assert {row[1].split(":")[0] for row in ours} == {"0100007F"}


def test_a_session_ends(officers: Officers) -> None:
    """Signing out ends the session on the server; a session past its time is none; a locked user has none."""
    door = officers.signed_in("harbour", "viewer")
    assert door.get("/me").status == 200
    assert door.ask("DELETE", "/session").status == 200
    assert door.get("/me").status == 401
    late, locked = officers.signed_in("harbour", "viewer"), officers.signed_in("harbour", "viewer")
    database = sqlite3.connect(Path(officers.banks.directory) / "banks" / "harbour" / "praya.sqlite")
    with database:
        database.execute("UPDATE sessions SET expires_at = 1 WHERE rowid = (SELECT max(rowid) - 1 FROM sessions)")
    assert late.get("/me").status == 401
    assert locked.get("/me").status == 200
    with database:
        database.execute("UPDATE users SET active = 0 WHERE name = 'viewer'")
    assert locked.get("/me").status == 401
    with database:
        database.execute("UPDATE users SET active = 1 WHERE name = 'viewer'")
    database.close()


def test_guessing_is_braked(officers: Officers) -> None:
    """After ten wrong passwords in five minutes nobody is asked any more from there, many at once included; the right
    password does not help, and a session in use goes on."""
    working = officers.at("auditor", "viewer")
    nobody = officers.nobody("auditor")

    def guess(number: int) -> int:
        return nobody.post("/session", {"user": f"nobody{number}", "password": f"wrong {CANARY} {number}"}).status

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(guess, range(3 * FAILURES_MAX)))
    assert sorted(set(statuses)) == [403, 429]
    assert statuses.count(403) <= FAILURES_MAX
    right = nobody.post("/session", {"user": "viewer", "password": officers.password("auditor", "viewer")})
    assert right.status == 429
    assert int(right.headers["Retry-After"]) > 0
    assert working.get("/me").status == 200


def test_no_secret_is_in_any_log(officers: Officers, maker: Door) -> None:
    """Passwords, tokens, private keys and the bytes of malformed requests are nowhere in the network's logs."""
    host, port = _address(officers.banks.node("harbour")["rest_url"])
    for payload in (
        f"GARBAGE {CANARY}\r\n\r\n",
        f"GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\nAuthori zation: Bearer {CANARY}\r\n\r\n",
        f"GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {CANARY}\x00\r\n\r\n",
        f"GET /{CANARY * 1000} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        f"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{CANARY}",
    ):
        with socket.create_connection((host, port), timeout=5) as one:
            one.sendall(payload.encode())
            assert one.recv(64).startswith(b"HTTP/1.0 400")
    rpc = Door(officers.banks.node("harbour")["rpc_url"])
    rpc.ask("POST", "/", raw=b'{"jsonrpc":"2.0","method":"' + CANARY.encode() + b'","params":[')
    rpc.post(
        "/", {"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": ["0x" + CANARY.encode().hex()]}
    )
    maker.post("/session", {"user": CANARY, "password": CANARY})
    maker.draft("lc.issue", mt700=credit_message(CANARY, replace=("UCP LATEST", "XXX LATEST")))
    Door(maker.url, CANARY).get("/me")
    directory = Path(officers.banks.directory)
    secrets = [CANARY, CANARY.encode().hex(), maker.token or "-"]
    secrets += [row["password"] for row in officers.logins()]
    secrets += [row["private_key"].removeprefix("0x") for row in officers.banks.accounts()]
    secrets += [path.read_text().strip() for path in directory.glob("*/*/keystore/*.password")]
    secrets += [path.read_bytes().hex() for path in directory.glob("*/*/encryption.key")]
    secrets += [path.read_text().strip() for path in directory.glob("*/*/tag.key")]
    assert len(secrets) > 10
    logs = list(directory.glob("*/*/logs/*.log"))
    assert len(logs) == 2
    for path in logs:
        text = path.read_text()
        assert text
        assert not [secret for secret in secrets if secret in text]
        assert all(isinstance(json.loads(line), dict) for line in text.splitlines()), "a log line that is no JSON"


def test_secrets_are_readable_by_their_owner_alone(officers: Officers) -> None:
    """Keys, passwords and logins have mode 0600; the bank's folder is closed to others; no password is an argument."""
    directory = Path(officers.banks.directory)
    private = [*directory.glob("*/*/keystore/*"), *directory.glob("*/*/tls/*.key"), directory / "logins.json"]
    private += [*directory.glob("*/*/encryption.key"), *directory.glob("*/*/tag.key"), directory / "accounts.json"]
    private += [path for path in directory.glob("ca/*") if "key" in path.name]
    assert len(private) > 8
    assert [str(path) for path in private if path.stat().st_mode & 0o077] == []
    assert [path for path in directory.glob("*/*/praya.sqlite*") if path.parent.stat().st_mode & 0o077] == []
    passwords = [row["password"] for row in officers.logins()]
    for row in _nodes(officers):
        for name in ("cmdline", "environ"):
            text = Path(f"/proc/{row['pid']}/{name}").read_bytes().decode(errors="replace")
            assert not [password for password in passwords if password in text]


def test_an_observers_desk_only_reads(officers: Officers) -> None:
    """The auditor's node has a viewer who can read and nothing else, and lists no document."""
    viewer = officers.at("auditor", "viewer")
    assert viewer.get("/documents").json == []
    assert viewer.draft("lc.issue", mt700=credit_message("OBS-1")).status == 403


def _nodes(officers: Officers) -> list[dict[str, Any]]:
    return [*officers.banks.description["banks"], *officers.banks.description["observers"]]


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


def _port(url: str) -> int:
    return _address(url)[1]


def _inode(path: Path) -> str:
    try:
        return str(path.readlink()).removeprefix("socket:[").removesuffix("]")
    except OSError:
        return ""
