"""The officers' story on a real chain: a credit from MT700 to settlement, an invoice financed once, and refusals."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from node.desk.chain_access import ContractRefusal
from node.desk.sender import sign_transaction
from node.errors import DataError, PermissionDenied, UnavailableError
from node.keys import keccak256
from node.trade.swift import parse_mt
from tests.trade.samples import MT700_FIELDS, MT707_FIELDS, mt, ubl
from tests.trade.town import CHAIN_ID, Town

LOTUS, NANSHAN, HARBOUR, THAMES = range(4)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Four banks on 5 March 2026."""
    made = Town(tmp_path, datetime(2026, 3, 5, 3, tzinfo=UTC), [2026])
    yield made
    made.close()


def _file(name: str, content: bytes) -> dict[str, str]:
    return {"name": name, "media_type": "application/pdf", "content_base64": base64.b64encode(content).decode()}


async def test_a_credit_from_issue_to_settlement(town: Town) -> None:
    """Issued, advised, amended, presented, refused, corrected, honoured, settled; every bank sees what is its own."""
    importer, exporter, rival = town.desks[LOTUS], town.desks[NANSHAN], town.desks[HARBOUR]
    issued = await importer.do("lc.issue", mt700=mt("700", MT700_FIELDS))
    credit = issued["sent"][-1]["created"]
    await exporter.do("lc.advise", credit=credit)
    await importer.do("lc.amend", credit=credit, mt707=mt("707", MT707_FIELDS))
    shown = await exporter.service.credit(credit)
    assert shown["amount"] == "125000.50"
    assert [turn["act"] for turn in shown["next"]] == ["answer-amendment"]
    await exporter.do("lc.accept-amendment", credit=credit, amendment=0, instruction="WE ACCEPT. SIGNED")
    shown = await exporter.service.credit(credit)
    assert (shown["amount"], shown["terms"]["expiry_day"]) == ("130000.50", "2026-05-15")
    assert shown["sealed_terms"]["terms"]["reference"] == "IMP-2026-0017"
    assert "+CERTIFICATE OF ORIGIN" in shown["current_mt700"]

    town.stand_at(2026, 4, 8)
    facts = {"amount": "130000.50", "shipment_date": "2026-04-01", "transport_original": True}
    files = [_file("invoice.pdf", b"INVOICE 1"), _file("bl.pdf", b"BILL OF LADING")]
    await exporter.do("lc.present", credit=credit, documents=files, **facts)
    view = await importer.service.credit(credit)
    examination = view["presentations"][0]["examinations"][0]
    deadline = datetime.fromtimestamp(examination["deadline"], UTC)
    assert (deadline.month, deadline.day, examination["provisional"]) == (4, 15, False)
    work = await importer.service.worklist(importer.checker)
    assert [(turn["act"], turn["presentation"]) for turn in work["turns"]] == [("examine", 0)]

    found = ["INVOICE NOT SIGNED", "PACKING LIST MISSING"]
    refused = await importer.do("lc.refuse", credit=credit, presentation=0, discrepancies=found, disposal="HOLD")
    sent = parse_mt(refused["notes"]["mt734"]).message
    assert (sent.component("77B", "text"), sent.component("20", "reference")) == ("HOLD", "IMP-2026-0017")
    notice = (await exporter.service.credit(credit))["discrepancies"]["0"]
    assert notice["discrepancies"] == found
    assert "1. INVOICE NOT SIGNED" in await exporter.service.mt734(credit, 0)
    with pytest.raises(ContractRefusal) as second:
        await importer.service.draft(
            "lc.refuse",
            {"credit": credit, "presentation": 0, "discrepancies": ["ONE MORE"], "disposal": "HOLD"},
            importer.maker,
        )
    assert second.value.field is not None
    assert second.value.field.startswith("UCP16")

    await exporter.do("lc.present", credit=credit, documents=[_file("all.pdf", b"ALL")], corrects=0, **facts)
    await importer.do("lc.examine", credit=credit, presentation=1)
    await importer.do("lc.honour", credit=credit, presentation=1)
    await importer.do("lc.settle", credit=credit, obligation=0, proof="PACS.009 REF 77")
    final = await exporter.service.credit(credit)
    assert final["drawn"] == "130000.50"
    assert final["obligations"][0]["settled_at"]
    assert [turn["act"] for turn in final["next"]] == ["present"]  # the tolerance of 5 % is still open

    stranger = await rival.service.credit(credit)
    assert stranger["sealed_terms"] is None
    assert stranger["discrepancies"] == {}
    assert rival.service.documents() == []
    anchor = exporter.service.documents(credit)[0]["anchor"]
    assert (await importer.service.fetch_document(anchor))["body"]
    assert (await importer.service.verify_document(anchor))["commitment_holds"] is True
    with pytest.raises(PermissionDenied, match="not sealed for this bank"):
        await rival.service.fetch_document(anchor)
    events = [event["event"] for event in final["timeline"]]
    assert events.index("CreditIssued") < events.index("PresentationRefused") < events.index("ObligationSettled")


async def test_no_clear_term_reaches_the_chain_or_a_custodian(town: Town) -> None:
    """Names, goods, references and discrepancies are in nobody's blocks and in no store but as ciphertext."""
    importer, exporter = town.desks[LOTUS], town.desks[NANSHAN]
    issued = await importer.do("lc.issue", mt700=mt("700", MT700_FIELDS))
    credit = issued["sent"][-1]["created"]
    await exporter.do("lc.present", credit=credit, amount="1000.00", documents=[_file("secret.pdf", b"KILN 47")])
    words = (b"LOTUS TRADING", b"DESK LAMPS", b"IMP-2026-0017", b"KILN 47", b"secret.pdf", b"NANSHAN FICTIVE")
    for number in range(1, town.ledger.head.number + 1):
        raw = town.ledger.chain.block_rlp(number)
        assert raw is not None
        assert not [word for word in words if word in raw]
    for desk in town.desks:
        for digest in desk.store.hashes():
            kept = desk.store.get(digest)
            assert kept is not None
            assert not [word for word in words if word in kept]
    for path in (town.root / "bank2").rglob("*"):
        if path.is_file():
            assert not [word for word in words if word in path.read_bytes()]


async def test_an_invoice_is_financed_once(town: Town) -> None:
    """Registered, accepted by the buyer's bank, financed and repaid; a second hold on the same invoice is refused."""
    seller, buyer, rival = town.desks[NANSHAN], town.desks[LOTUS], town.desks[HARBOUR]
    registered = await seller.do("invoice.register", ubl=ubl().decode(), buyer_bank="Lotus Bank")
    invoice = registered["sent"][-1]["created"]
    await buyer.do("invoice.buyer-accept", invoice=invoice, instruction="WE ACCEPT THE INVOICE. SIGNED")
    await seller.do("invoice.offer", invoice=invoice, rate_bps=600, advance_bps=8000)
    again = await rival.do("invoice.register", ubl=ubl(number="inv 42").decode())
    copy = again["sent"][-1]["created"]
    assert again["notes"]["registry"]["status"] == "taken"
    with pytest.raises(ContractRefusal) as taken:
        await rival.service.draft(
            "invoice.offer", {"invoice": copy, "rate_bps": 500, "without_buyer_acceptance": True}, rival.maker
        )
    assert taken.value.field == "TagTaken"
    await seller.do("invoice.accept-offer", invoice=invoice, offer=1, instruction="WE ACCEPT THE OFFER. SIGNED")
    paid = await seller.do("invoice.disburse", invoice=invoice, offer=1, proof="MT103 REF 1")
    assert paid["notes"]["legs"]["advance"] == 7_040_040
    view = await buyer.service.invoice(invoice)
    assert view["sealed_invoice"]["invoice"]["number"] == "INV-0042"
    assert (view["offers"][0]["state"], view["amount"]) == ("DISBURSED", "88000.50")
    assert (await rival.service.invoice(invoice))["sealed_invoice"] is None
    await seller.do("invoice.repay", invoice=invoice, offer=1, amount="88000.50", proof="MT103 REF 2")
    assert (await seller.service.invoice(invoice))["offers"][0]["state"] == "REPAID"


async def test_a_buyers_bank_that_has_offered_attests_for_both_sides(town: Town) -> None:
    """Its acceptance for the buyer is no independent word any more, and the desk says so by itself."""
    seller, buyer = town.desks[NANSHAN], town.desks[LOTUS]
    registered = await seller.do("invoice.register", ubl=ubl().decode(), buyer_bank="Lotus Bank")
    invoice = registered["sent"][-1]["created"]
    await buyer.do("invoice.offer", invoice=invoice, rate_bps=600, fraction_bps=1_000)
    accepted = await buyer.do("invoice.buyer-accept", invoice=invoice, instruction="WE ACCEPT. SIGNED")
    assert "both sides" in accepted["notes"]["summary"]
    for terms in ({"rate_bps": 2**40}, {"rate_bps": 1, "fraction_bps": 70_000}, {"rate_bps": 1, "hours": 2**62}):
        with pytest.raises(DataError):
            await seller.service.draft("invoice.offer", {"invoice": invoice, **terms}, seller.maker)


async def test_maker_and_checker(town: Town) -> None:
    """Refused: the same person, a changed draft, a used approval, a tampered row, a user without the role."""
    desk = town.desks[LOTUS]
    service = desk.service
    viewer = service.users.add("vic", "just looking around", ["viewer"])
    params = {"mt700": mt("700", MT700_FIELDS)}
    with pytest.raises(PermissionDenied):
        await service.draft("lc.issue", params, viewer)
    draft = await service.draft("lc.issue", params, desk.maker)
    with pytest.raises(PermissionDenied) as same:
        await service.approve(draft["id"], draft["hash"], desk.maker)
    assert same.value.details["code"] == "SAME_PERSON"
    with pytest.raises(PermissionDenied):
        await service.approve(draft["id"], draft["hash"], viewer)
    revised = await service.revise(draft["id"], params | {"set": [["48", "10"]]}, desk.maker)
    assert revised["hash"] != draft["hash"]
    with pytest.raises(DataError) as changed:
        await service.approve(draft["id"], draft["hash"], desk.checker)
    assert changed.value.details["code"] == "DRAFT_CHANGED"
    await service.approve(draft["id"], revised["hash"], desk.checker)
    with pytest.raises(DataError) as used:
        await service.approve(draft["id"], revised["hash"], desk.checker)
    assert used.value.details["code"] == "DRAFT_NOT_PENDING"
    other = await service.draft("lc.issue", {"mt700": mt("700", MT700_FIELDS.replace("0017", "0018"))}, desk.maker)
    desk.database.execute("UPDATE drafts SET calls = replace(calls, 'issue', 'close') WHERE id = ?", (other["id"],))
    with pytest.raises(DataError) as tampered:
        await service.approve(other["id"], other["hash"], desk.checker)
    assert tampered.value.details["code"] == "DRAFT_TAMPERED"


async def test_what_stands_in_the_way_is_said_before_a_draft(town: Town) -> None:
    """Expired, another sender, a used reference, no advising member, unknown parameters: each by name."""
    desk = town.desks[LOTUS]
    service = desk.service

    async def refused(fields: str, **params: object) -> DataError:
        given = {"mt700": mt("700", fields, **params.pop("banks", {})), **params}  # type: ignore[arg-type, dict-item]
        with pytest.raises(DataError) as caught:
            await service.draft("lc.issue", given, desk.maker)
        return caught.value

    assert (await refused(MT700_FIELDS.replace("260430", "260304"))).details["code"] == "EXPIRED"
    assert (await refused(MT700_FIELDS, banks={"sender": "HARBSGS0"})).details["code"] == "SENDER_NOT_OWN"
    unknown = {"receiver": "NOBODYX0"}
    assert (await refused(MT700_FIELDS, banks=unknown)).details["code"] == "ADVISING_NOT_MEMBER"
    assert (await refused(MT700_FIELDS, colour="blue")).field == "colour"
    shown = service.read_mt700(mt("700", MT700_FIELDS.replace("260430", "260304")))
    assert [obstacle["code"] for obstacle in shown["obstacles"]] == ["EXPIRED"]
    await desk.do("lc.issue", mt700=mt("700", MT700_FIELDS))
    with pytest.raises(ContractRefusal, match="FactoryReferenceUsed"):
        await service.draft("lc.issue", {"mt700": mt("700", MT700_FIELDS)}, desk.maker)


async def test_an_act_under_a_deadline_waits_for_nobody(town: Town) -> None:
    """With every other bank offline a refusal still goes out with its hash; setting up a deal does not."""
    importer, exporter = town.desks[LOTUS], town.desks[NANSHAN]
    credit = (await importer.do("lc.issue", mt700=mt("700", MT700_FIELDS)))["sent"][-1]["created"]
    await exporter.do("lc.present", credit=credit, amount="1000.00", documents=[_file("a.pdf", b"A")])
    town.down |= {NANSHAN, HARBOUR, THAMES}
    done = await importer.do("lc.refuse", credit=credit, presentation=0, discrepancies=["LATE"], disposal="RETURN")
    assert [call["function"] for call in done["sent"]] == ["refuse"]
    assert done["notes"]["sealed"][0]["problem"]
    with pytest.raises(UnavailableError, match="custody"):
        await importer.service.draft(
            "lc.issue", {"mt700": mt("700", MT700_FIELDS.replace("0017", "0018"))}, importer.maker
        )
    town.down.clear()
    assert (await exporter.service.credit(credit))["discrepancies"]["0"] is None
    await importer.do("doc.anchor", anchor=done["notes"]["sealed"][0]["anchor"])
    notice = (await exporter.service.credit(credit))["discrepancies"]["0"]
    assert notice["discrepancies"] == ["LATE"]


async def test_a_restart_keeps_drafts_and_the_read_model_is_rebuilt_alike(town: Town) -> None:
    """An approved act that a stop cut short is sent once; the projection from scratch equals the one that followed."""
    desk = town.desks[LOTUS]
    draft = await desk.service.draft("lc.issue", {"mt700": mt("700", MT700_FIELDS)}, desk.maker)
    desk.service._approvals.approve(draft["id"], bytes.fromhex(draft["hash"][2:]), desk.checker, now_s=town.now)
    desk.database.close()
    town.desks[LOTUS] = desk = town.open_desk(LOTUS)
    assert desk.service.draft_status(draft["id"])["state"] == "approved"
    assert await desk.service.resume() == [draft["id"]]
    assert await desk.service.resume() == []
    done = desk.service.draft_status(draft["id"])
    credit = done["sent"][-1]["created"]
    town.stand_at(2026, 3, 20)
    await town.desks[NANSHAN].do("lc.advise", credit=credit)
    before = [await desk.service.credit(credit), await desk.service.credits()]
    desk.service.projection.rebuild()
    assert [await desk.service.credit(credit), await desk.service.credits()] == before


async def test_closing_lets_go_of_acts_that_a_stopped_chain_holds_up(town: Town) -> None:
    """With no block made the desk closes at once, and the act is final after the next start."""
    desk = town.desks[LOTUS]
    draft = await desk.service.draft("lc.issue", {"mt700": mt("700", MT700_FIELDS)}, desk.maker)
    town.sealing = False
    waiting = await desk.service.approve(draft["id"], draft["hash"], desk.checker, wait=False)
    assert waiting["state"] == "approved"
    async with asyncio.timeout(5):
        while not town.pool.pending():  # noqa: ASYNC110 - the pool has no event for the test to await
            await asyncio.sleep(0.01)
        await desk.service.close()
    town.sealing = True
    town.desks[LOTUS] = desk = town.open_desk(LOTUS)
    await asyncio.to_thread(town.seal)
    assert await desk.service.resume() == [draft["id"]]


async def test_a_stored_transaction_whose_nonce_was_taken_is_signed_anew(town: Town) -> None:
    """An act that was signed, never left, and lost its nonce to another act is carried out once by `resume`."""
    desk = town.desks[LOTUS]
    service = desk.service
    draft = await service.draft("lc.issue", {"mt700": mt("700", MT700_FIELDS)}, desk.maker)
    service._approvals.approve(draft["id"], bytes.fromhex(draft["hash"][2:]), desk.checker, now_s=town.now)
    call = service._drafts.get(draft["id"]).calls[0]
    raw = sign_transaction(
        town.keys[LOTUS], chain_id=CHAIN_ID, nonce=0, gas=1_000_000, to=call.to, data=call.with_approvals(b"\x01" * 32)
    )
    desk.database.execute(
        "INSERT INTO sendings (draft_id, call_index, raw, tx_hash, sent_at) VALUES (?, 0, ?, ?, 1)",
        (draft["id"], raw, keccak256(raw)),
    )
    await desk.do("doc.submit", documents=[_file("a.pdf", b"A")], recipients=["Thames Bank"])
    assert await service.resume() == [draft["id"]]
    assert [sent["succeeded"] for sent in service.draft_status(draft["id"])["sent"]] == [True, True]
    assert len(await service.credits()) == 1


async def test_acts_approved_at_once_take_nonces_of_their_own(town: Town) -> None:
    """Three acts in flight are all final, each with its own transactions."""
    desk = town.desks[LOTUS]
    texts = [mt("700", MT700_FIELDS.replace("0017", f"00{n}")) for n in (21, 22, 23)]
    drafts = [await desk.service.draft("lc.issue", {"mt700": text}, desk.maker) for text in texts]
    done = await asyncio.gather(*(desk.service.approve(each["id"], each["hash"], desk.checker) for each in drafts))
    assert [each["state"] for each in done] == ["final"] * 3
    assert len({sent["tx_hash"] for each in done for sent in each["sent"]}) == 6
    assert len(await desk.service.credits()) == 3


async def test_listeners_hear_what_changed(town: Town) -> None:
    """A desk that follows the chain is told of a credit that another bank has issued to it."""
    heard: asyncio.Queue[list[tuple[str, str]]] = asyncio.Queue()
    exporter = town.desks[NANSHAN].service
    await exporter.start()
    exporter.listeners.append(heard.put_nowait)
    issued = await town.desks[LOTUS].do("lc.issue", mt700=mt("700", MT700_FIELDS))
    async with asyncio.timeout(10):
        assert await heard.get() == [("credit", issued["sent"][-1]["created"])]
    await exporter.close()


async def test_preclusion_is_read_from_deadline_and_time(town: Town) -> None:
    """Nobody acts; after the stored deadline the view says PRECLUDED and asks the bank to honour (UCP 16 f)."""
    importer, exporter = town.desks[LOTUS], town.desks[NANSHAN]
    credit = (await importer.do("lc.issue", mt700=mt("700", MT700_FIELDS)))["sent"][-1]["created"]
    await exporter.do("lc.present", credit=credit, amount="1000.00", documents=[_file("a.pdf", b"A")])
    first = (await importer.service.credit(credit))["presentations"][0]["examinations"][0]
    town.now = first["deadline"]
    assert (await importer.service.credit(credit))["presentations"][0]["examinations"][0]["standing"] == "EXAMINING"
    town.now += 1
    view = await importer.service.credit(credit)
    assert view["presentations"][0]["examinations"][0]["standing"] == "PRECLUDED"
    assert [turn["act"] for turn in view["next"]][:1] == ["honour"]


def test_users_and_sessions(town: Town) -> None:
    """A wrong password and an unknown name are told alike; a session ends when it is closed or the user is locked."""
    users = town.desks[LOTUS].service.users
    user = users.authenticate("may", "correct horse battery")
    for name, password in (("may", "wrong password"), ("nobody", "wrong password")):
        with pytest.raises(PermissionDenied, match="name or password is wrong"):
            users.authenticate(name, password)
    token = users.open_session(user)
    assert users.session_user(token) == user
    assert users.session_user(token + "x") is None
    users.close_session(token)
    assert users.session_user(token) is None
    token = users.open_session(user)
    users.deactivate("may")
    assert users.session_user(token) is None
    with pytest.raises(PermissionDenied):
        users.authenticate("may", "correct horse battery")
    for bad in (
        ("may", "long enough password", ["maker"]),
        ("zed", "short", ["maker"]),
        ("zed", "long enough", ["king"]),
    ):
        with pytest.raises(DataError):
            users.add(*bad)
