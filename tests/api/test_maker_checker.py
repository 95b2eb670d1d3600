"""Maker and checker at a running bank: who may draft, who may approve, what is refused and with what word."""

from __future__ import annotations

import concurrent.futures
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from web3.exceptions import Web3RPCError

from tests.api.door import Door, Officers
from tests.api.samples import credit_message, document
from tests.network.consortium import Consortium

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("api-one-bank")]


@pytest.fixture(scope="module")
def officers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Officers]:
    """Two banks: one to act, one to be named as advising bank."""
    banks = Consortium.up(tmp_path_factory.mktemp("desk"), "--banks", "2")
    yield Officers(banks)
    banks.down()


@pytest.fixture
def maker(officers: Officers) -> Door:
    return officers.at("harbour", "maker")


@pytest.fixture
def checker(officers: Officers) -> Door:
    return officers.at("harbour", "checker")


def _pending(maker: Door, reference: str) -> dict[str, Any]:
    drafted = maker.draft("lc.issue", mt700=credit_message(reference))
    assert drafted.status == 201, drafted.body
    return dict(drafted.json)


def _credits(door: Door) -> int:
    return len(door.get("/credits?mine=0").json)


def test_another_person_approves_and_the_act_is_final(officers: Officers, maker: Door, checker: Door) -> None:
    """A draft that a second person approves ends in a block; both approvals stand beside it, and the signed act carries
    their hash."""
    draft = _pending(maker, "MC-1")
    done = checker.approve(draft)
    assert (done.status, done.json["state"]) == (200, "final")
    assert [each["role"] for each in done.json["approvals"]] == ["maker", "checker"]
    assert {each["user"] for each in done.json["approvals"]} == {"maker", "checker"}
    sent = done.json["sent"][-1]
    client = officers.banks.web3("harbour")
    assert client.eth.get_transaction_receipt(sent["tx_hash"])["status"] == 1
    signed = bytes(client.eth.get_transaction(sent["tx_hash"])["input"]).hex()
    assert draft["calls"][-1]["data"][2:10] == signed[:8]
    assert draft["calls"][-1]["data"][2:] != signed  # the placeholder gave way to the approvals' hash


def test_the_same_person_cannot_approve(officers: Officers, maker: Door) -> None:
    """A maker who is also a checker cannot approve the own draft: the server compares persons, not roles."""
    draft = _pending(maker, "MC-2")
    refused = maker.approve(draft)
    assert (refused.status, refused.field("detail")) == (403, "maker is no checker")
    database = sqlite3.connect(Path(officers.banks.directory) / "banks" / "harbour" / "praya.sqlite")
    with database:
        database.execute("UPDATE users SET roles = 'checker maker' WHERE name = 'maker'")
    try:
        both = maker.approve(draft)
        assert (both.status, both.field("code")) == (403, "SAME_PERSON")
        assert maker.get(f"/drafts/{draft['id']}").json["state"] == "pending"
    finally:
        with database:
            database.execute("UPDATE users SET roles = 'maker' WHERE name = 'maker'")
        database.close()


def test_a_changed_draft_is_not_what_was_shown(maker: Door, checker: Door) -> None:
    """After the maker has written the draft anew, the hash that the checker saw approves nothing."""
    draft = _pending(maker, "MC-3")
    message = credit_message("MC-3", amount="USD999999,00")
    revised = maker.ask("PUT", f"/drafts/{draft['id']}", {"params": {"mt700": message}})
    assert revised.status == 200, revised.body
    assert revised.json["hash"] != draft["hash"]
    refused = checker.approve(draft)
    assert (refused.status, refused.field("code")) == (422, "DRAFT_CHANGED")
    assert checker.get(f"/drafts/{draft['id']}").json["state"] == "pending"


def test_a_draft_changed_in_the_database_is_refused(officers: Officers, maker: Door, checker: Door) -> None:
    """Who changes the call data past the service breaks the draft's hash."""
    draft = _pending(maker, "MC-4")
    database = sqlite3.connect(Path(officers.banks.directory) / "banks" / "harbour" / "praya.sqlite")
    with database:
        database.execute("UPDATE drafts SET calls = replace(calls, 'ff', 'fe') WHERE id = ?", (draft["id"],))
    database.close()
    refused = checker.approve(draft)
    assert (refused.status, refused.field("code")) == (422, "DRAFT_TAMPERED")


def test_an_approval_is_used_once(maker: Door, checker: Door) -> None:
    """The second approval of one draft is refused, and nothing is sent twice."""
    before = _credits(maker)
    draft = _pending(maker, "MC-5")
    assert checker.approve(draft).status == 200
    again = checker.approve(draft)
    assert (again.status, again.field("code")) == (422, "DRAFT_NOT_PENDING")
    revised = maker.ask("PUT", f"/drafts/{draft['id']}", {"params": {"mt700": credit_message("MC-5B")}})
    assert (revised.status, revised.field("code")) == (422, "DRAFT_NOT_PENDING")
    assert _credits(maker) == before + 1


def test_of_many_approvals_at_once_one_counts(maker: Door, checker: Door) -> None:
    """Eight approvals of one draft at the same moment: one is taken, the act is signed once."""
    before = _credits(maker)
    draft = _pending(maker, "MC-P")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: checker.approve(draft), range(8)))
    assert sorted(answer.status for answer in answers) == [200] + [422] * 7
    status = checker.get(f"/drafts/{draft['id']}").json
    assert (status["state"], len(status["approvals"])) == ("final", 2)
    assert _credits(maker) == before + 1


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("facture réglée.pdf", "application/pdf"),
        ('a"b\\c.pdf', "text/html"),
        ("x\r\nX-Evil: 1.pdf", "text/plain\r\nX-Evil: 1"),
        ("../../etc/passwd", "a/b"),
        ("<script>alert(1)</script>.html", "text/html"),
        ("=cmd|' /C calc'!A0.csv", "text/csv"),
        ("\u202ereversed", "x/\u0000"),
    ],
)
def test_a_files_name_breaks_no_header(officers: Officers, name: str, media_type: str) -> None:
    """Whatever a bank calls its file, the other downloads it as an attachment, or the name was refused at once."""
    content = f"content of {name}".encode()
    file = {**document(name, content), "media_type": media_type}
    drafted = officers.at("harbour", "maker").draft("doc.submit", documents=[file], recipients=["LCMBSGS0"])
    if drafted.status == 422:
        assert drafted.field("field")
        return
    officers.at("harbour", "checker").approve(drafted.json)
    anchor = officers.at("harbour", "maker").get("/documents").json[0]["anchor"]
    answer = officers.at("lioncity", "viewer").get(f"/documents/{anchor}")
    assert (answer.status, answer.body) == (200, content), answer.body
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "X-Evil" not in answer.headers


def test_a_rejected_draft_is_over(maker: Door, checker: Door) -> None:
    """What a checker has refused cannot be approved, and its reason is kept."""
    draft = _pending(maker, "MC-6")
    assert checker.post(f"/drafts/{draft['id']}/rejection", {"reason": "wrong port"}).json["state"] == "rejected"
    refused = checker.approve(draft)
    assert (refused.status, refused.field("code")) == (422, "DRAFT_NOT_PENDING")
    assert maker.get(f"/drafts/{draft['id']}").json["reason"] == "wrong port"


@pytest.mark.parametrize(
    ("user", "method", "path", "body", "detail"),
    [
        (
            "viewer",
            "POST",
            "/drafts",
            {"act": "lc.advise", "params": {"credit": "0x" + "1" * 40}},
            "viewer is no maker",
        ),
        (
            "checker",
            "POST",
            "/drafts",
            {"act": "lc.advise", "params": {"credit": "0x" + "1" * 40}},
            "checker is no maker",
        ),
        ("viewer", "POST", "/applications", {"mt700": "x"}, "viewer is no maker"),
        ("maker", "POST", "/drafts/{draft}/approval", {"hash": "{hash}"}, "maker is no checker"),
        ("viewer", "POST", "/drafts/{draft}/approval", {"hash": "{hash}"}, "viewer is no checker"),
        ("viewer", "POST", "/drafts/{draft}/rejection", {"reason": "no"}, "viewer is no checker"),
        ("checker", "PUT", "/drafts/{draft}", {"params": {}}, "checker is no maker"),
    ],
)
def test_each_role_does_its_own_part(
    officers: Officers, maker: Door, user: str, method: str, path: str, body: dict[str, Any], detail: str
) -> None:
    """A viewer changes nothing, a maker approves nothing, a checker drafts nothing."""
    draft = _pending(maker, "MC-7")
    filled = {key: draft["hash"] if value == "{hash}" else value for key, value in body.items()}
    refused = officers.at("harbour", user).ask(method, path.format(draft=draft["id"]), filled)
    assert (refused.status, refused.field("detail")) == (403, detail)
    assert maker.get(f"/drafts/{draft['id']}").json["state"] == "pending"


def test_every_route_but_sign_in_asks_for_a_session(officers: Officers) -> None:
    """Without a session, or with a made-up one, every operation of the OpenAPI document answers 401."""
    nobody = officers.nobody("harbour")
    document = nobody.get("/openapi.json").json
    asked = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if operation.get("security") == []:
                continue
            local = path.removeprefix("/api/v1").replace("{", "").replace("}", "")
            for door in (nobody, Door(nobody.url, "not-a-token"), Door(nobody.url, "\xff\xfe")):
                answer = door.ask(method.upper(), local, {} if method != "get" else None)
                assert answer.status == 401, (method, path, answer.body)
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                asked += 1
    assert asked > 60


def test_another_banks_session_opens_nothing_here(officers: Officers) -> None:
    """A token is good at the bank that gave it and nowhere else."""
    foreign = officers.at("lioncity", "maker")
    here = Door(officers.banks.node("harbour")["rest_url"], foreign.token)
    assert here.get("/me").status == 401


def test_a_strangers_signed_transaction_is_refused_by_json_rpc(officers: Officers, maker: Door, checker: Door) -> None:
    """A direct call past the officers: an account that is not registered cannot send, whatever it signs."""
    before = _credits(maker)
    draft = _pending(maker, "MC-8")
    client = officers.banks.web3("harbour")
    stranger = client.eth.account.create()
    call = draft["calls"][-1]
    transaction = {
        "chainId": officers.banks.description["chain_id"],
        "nonce": 0,
        "to": client.to_checksum_address(call["to"]),
        "data": call["data"],
        "gas": 3_000_000,
        "gasPrice": 0,
    }
    with pytest.raises(Web3RPCError, match="registered"):
        client.eth.send_raw_transaction(stranger.sign_transaction(transaction).raw_transaction)
    assert _credits(maker) == before
    assert checker.get(f"/drafts/{draft['id']}").json["state"] == "pending"


def test_a_registered_developer_is_no_bank(officers: Officers, maker: Door) -> None:
    """A registered account may send, but the contract knows who is a bank: the act reverts and nothing is made."""
    before = _credits(maker)
    draft = _pending(maker, "MC-9")
    client = officers.banks.web3("harbour")
    developer = client.eth.account.from_key(officers.banks.accounts()[0]["private_key"])
    call = draft["calls"][-1]
    transaction = {
        "chainId": officers.banks.description["chain_id"],
        "nonce": client.eth.get_transaction_count(developer.address, "pending"),
        "to": client.to_checksum_address(call["to"]),
        "data": call["data"],
        "gas": 3_000_000,
        "gasPrice": 0,
    }
    sent = bytes(client.eth.send_raw_transaction(developer.sign_transaction(transaction).raw_transaction))
    assert officers.banks.receipt("harbour", sent)["status"] == 0
    assert _credits(maker) == before


def test_acts_go_only_to_credits_that_the_factory_made(officers: Officers, maker: Door) -> None:
    """An act on an address without a credit would succeed on the chain and do nothing: it is refused by name."""
    stranger = officers.banks.accounts()[0]["address"]
    for act, params in (("lc.advise", {}), ("lc.cancel", {}), ("lc.examine", {"presentation": 0})):
        refused = maker.draft(act, credit=stranger, **params)
        assert (refused.status, refused.field("code")) == (422, "CREDIT_UNKNOWN")
    refused = maker.draft("invoice.offer", invoice=stranger, rate_bps=500)
    assert (refused.status, refused.field("code")) == (422, "INVOICE_UNKNOWN")


def test_the_contract_speaks_before_anybody_is_asked_to_approve(officers: Officers, maker: Door) -> None:
    """An act out of its turn is refused at the draft, with the article or the rule."""
    credit = officers.do("harbour", "lc.issue", mt700=credit_message("MC-10"))["sent"][-1]["created"]
    refused = maker.draft("lc.advise", credit=credit)  # harbour issued it: the advising bank advises
    assert refused.status == 422
    assert refused.field("field")
