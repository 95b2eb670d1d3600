"""Credits of other kinds on a real chain: usance, free availability, several amendments, rejection, cancellation."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from node.desk.chain_access import ContractRefusal
from node.errors import DataError, LimitExceeded
from node.privacy.envelope import DOCUMENT_BYTES_MAX
from tests.trade.samples import MT700_FIELDS, MT707_FIELDS, mt, ubl
from tests.trade.town import Town

LOTUS, NANSHAN, HARBOUR = range(3)
SIGNED = "SIGNED BY THE BENEFICIARY"


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Four banks on 5 March 2026."""
    made = Town(tmp_path, datetime(2026, 3, 5, 3, tzinfo=UTC), [2026])
    yield made
    made.close()


async def _issued(town: Town, fields: str = MT700_FIELDS) -> str:
    done = await town.desks[LOTUS].do("lc.issue", mt700=mt("700", fields))
    address: str = done["sent"][-1]["created"]
    return address


@pytest.mark.parametrize(
    ("available", "draft", "availability", "tenor", "days"),
    [
        ("41A:NANSCNS0\nBY PAYMENT", "", "SIGHT", "SIGHT", 0),
        ("41A:NANSCNS0\nBY DEF PAYMENT", ":42P:60 DAYS AFTER B/L DATE\n", "DEFERRED", "AFTER_SHIPMENT", 60),
        (
            "41A:NANSCNS0\nBY ACCEPTANCE",
            ":42C:90 DAYS AFTER SIGHT\n:42A:NANSCNS0\n",
            "ACCEPTANCE",
            "AFTER_SIGHT",
            90,
        ),
        ("41D:ANY BANK\nBY NEGOTIATION", ":42C:AT SIGHT\n:42A:LOTUHKH0\n", "NEGOTIATION", "SIGHT", 0),
        ("41A:LOTUHKH0\nBY DEF PAYMENT", ":42P:AS PER CONTRACT\n", "DEFERRED", "OTHER", 0),
    ],
)
async def test_availability_and_tenor(
    town: Town, available: str, draft: str, availability: str, tenor: str, days: int
) -> None:
    """What fields 41a, 42C and 42P say stands on the chain; a text that is no number of days is stated at honour."""
    fields = MT700_FIELDS.replace("41A:NANSCNS0XXX\nBY NEGOTIATION", available).replace(":43P:", draft + ":43P:")
    view = await town.desks[LOTUS].service.credit(await _issued(town, fields))
    found = view["terms"]
    assert (found["availability"], found["tenor"], found["tenor_days"]) == (availability, tenor, days)
    nominated = {"41D": "0x" + "ff" * 32}.get(available[:3]) or view["parties"]["nominated_bank"]
    assert view["parties"]["nominated_bank"] == nominated


async def test_a_nominated_bank_off_the_network_is_listed(town: Town) -> None:
    """Its clients present at the issuing bank; that is said to the officer before the issue."""
    fields = MT700_FIELDS.replace("NANSCNS0XXX", "NOBODYX0")
    done = await town.desks[LOTUS].do("lc.issue", mt700=mt("700", fields))
    assert [note["text"] for note in done["notes"]["unenforced"] if note["tag"] == "41a"] == ["NOBODYX0"]


async def test_several_amendments_are_answered_each_as_a_whole(town: Town) -> None:
    """Two accepted ones add up in terms and text; a rejected one leaves no trace in either."""
    importer, exporter = town.desks[LOTUS], town.desks[NANSHAN]
    credit = await _issued(town)
    await importer.do("lc.amend", credit=credit, mt707=mt("707", MT707_FIELDS))
    await exporter.do("lc.accept-amendment", credit=credit, amendment=0, instruction=SIGNED)
    second = MT707_FIELDS.replace(":26E:001", ":26E:002").replace(":32B:USD5000,", ":33B:USD1000,50")
    second = second.replace(":46B:/ADD/+CERTIFICATE OF ORIGIN", ":46B:/DELETE/+PACKING LIST IN DUPLICATE")
    await importer.do("lc.amend", credit=credit, mt707=mt("707", second))
    await importer.do("lc.amend", credit=credit, set=[["48", "5"], ["44C", ""]])
    await exporter.do("lc.reject-amendment", credit=credit, amendment=2, instruction=SIGNED)
    await exporter.do("lc.accept-amendment", credit=credit, amendment=1, instruction=SIGNED)
    view = await exporter.service.credit(credit)
    assert (view["amount"], view["terms"]["presentation_days"]) == ("129000.00", 15)
    assert [each["status"] for each in view["amendments"]] == ["ACCEPTED", "ACCEPTED", "REJECTED"]
    assert "+CERTIFICATE OF ORIGIN" in view["current_mt700"]
    assert "PACKING LIST" not in view["current_mt700"]
    with pytest.raises(ContractRefusal, match="UCP10NotPending"):
        await exporter.service.draft(
            "lc.accept-amendment", {"credit": credit, "amendment": 2, "instruction": SIGNED}, exporter.maker
        )


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"set": [["32B", "EUR5,"]]}, "currency"),
        ({"set": [["41A", "LOTUHKH0\nBY PAYMENT"]]}, "availability"),
        ({"set": [["31D", "260101HONG KONG"]]}, "31D"),
        ({}, "set"),
        ({"mt707": mt("707", MT707_FIELDS.replace(":46B:/ADD/+CERT", ":46B:/DELETE/+CERT"))}, "46B"),
        ({"mt707": mt("707", MT707_FIELDS.replace("32B:USD5000,", "33B:USD999999,"))}, "33B"),
        ({"mt707": mt("700", MT700_FIELDS)}, "message"),
    ],
)
async def test_amendments_that_cannot_be(town: Town, params: dict[str, object], code: str) -> None:
    """What the contract fixes, what is past, empty, or does not fit the credit's text is refused by its field."""
    credit = await _issued(town)
    desk = town.desks[LOTUS]
    with pytest.raises(DataError) as refused:
        await desk.service.draft("lc.amend", {"credit": credit, **params}, desk.maker)
    assert refused.value.field in (code, "mt707")


async def test_cancellation_needs_the_beneficiarys_consent(town: Town) -> None:
    """UCP 10 a: first refused by article, then done."""
    importer, exporter = town.desks[LOTUS], town.desks[NANSHAN]
    credit = await _issued(town)
    with pytest.raises(ContractRefusal) as refused:
        await importer.service.draft("lc.cancel", {"credit": credit}, importer.maker)
    assert refused.value.field == "UCP10aNoConsent"
    await exporter.do("lc.consent-cancel", credit=credit, instruction=SIGNED)
    await importer.do("lc.cancel", credit=credit)
    assert (await exporter.service.credit(credit))["life"] == "CANCELLED"


async def test_an_application_stays_in_the_bank_until_it_is_issued(town: Town) -> None:
    """It is shown with what stands in its way, and its text goes into the draft of the issue."""
    desk = town.desks[LOTUS]
    applied = desk.service.apply(mt("700", MT700_FIELDS), desk.maker, note="CALLED ON TUESDAY")
    assert applied["shown"]["obstacles"] == []
    stored = desk.service.application(applied["id"])
    await desk.do("lc.issue", mt700=stored["mt700"], lenient=stored["lenient"])
    assert [each["id"] for each in desk.service.applications()] == [applied["id"]]
    assert len(await desk.service.credits()) == 1


async def test_limits_and_kinds_of_input_are_named(town: Town) -> None:
    """Too large a document, an unknown act, wrong types and too many decimals: the field says which."""
    desk = town.desks[NANSHAN]
    credit = await _issued(town)

    async def refused(act: str, **params: object) -> DataError | LimitExceeded:
        with pytest.raises((DataError, LimitExceeded)) as caught:
            await desk.service.draft(act, params, desk.maker)
        return caught.value

    big = [{"name": "big.pdf", "text": "x" * (DOCUMENT_BYTES_MAX + 1)}]
    assert (await refused("lc.present", credit=credit, amount="1.00", documents=big)).field == "document"
    small = [{"name": "a.pdf", "text": "x"}]
    assert (await refused("lc.present", credit=credit, amount="1.001", documents=small)).field == "amount"
    assert (await refused("lc.present", credit=credit, amount="1.00")).field == "documents"
    assert (await refused("lc.present", credit="0x12", amount="1.00", documents=small)).field == "credit"
    assert (await refused("lc.present", credit="0x" + "12" * 20, amount="1.00", documents=small)).field == "credit"
    assert (await refused("lc.examine", credit=credit, presentation=-1)).field == "presentation"
    late = {"credit": credit, "amount": "1.00", "documents": small, "corrects": 2**33}
    assert (await refused("lc.present", **late)).field == "params"
    for mistyped in ("zz", "0x12", "0x" + "12" * 32):
        assert (await refused("lc.present", credit=credit, amount="1.00", anchors=[mistyped])).field == "anchors"
    assert (await refused("lc.dance", credit=credit)).field == "act"
    assert (await refused("invoice.register", ubl={"content_base64": "%%"})).field == "ubl"
    assert (await refused("invoice.register", ubl=ubl(currency="JPY").decode())).field == "PayableAmount"
    assert (await refused("invoice.register", ubl=ubl().decode(), buyer_bank="Nobody")).field == "bank"


async def test_a_document_anchored_before_is_presented_by_its_anchor(town: Town) -> None:
    """The anchor stands on the chain already: the presentation names it, and the draft counts it."""
    desk, credit = town.desks[NANSHAN], await _issued(town)
    files = [{"name": "a.pdf", "text": "x"}]
    lodged = await desk.do("doc.submit", documents=files, recipients=["Lotus Bank"])
    anchor = lodged["notes"]["sealed"][0]["anchor"]
    presented = await desk.do("lc.present", credit=credit, amount="1.00", anchors=[anchor])
    assert presented["notes"]["summary"].endswith("1 documents")


async def test_exact_bytes_and_long_files_are_taken(town: Town) -> None:
    """A file in another encoding comes as bytes; a long one stands in the draft by its hash, not by its text."""
    desk = town.desks[NANSHAN]
    latin = ubl().replace(b"UTF-8", b"ISO-8859-1").replace(b"Nanshan Fictive", "Nänshan Fictive".encode("latin-1"))
    files = {"ubl": {"name": "i.xml", "content_base64": base64.b64encode(latin).decode()}}
    draft = await desk.service.draft("invoice.register", files, desk.maker)
    assert draft["notes"]["invoice"]["seller"]["name"] == "Nänshan Fictive Lamps Co"
    assert draft["params"]["ubl"]["name"] == "i.xml"
    long = ubl().replace(b"<cac:OrderReference>", b"<!--" + b"x" * 300_000 + b"--><cac:OrderReference>")
    draft = await desk.service.draft("invoice.register", {"ubl": long.decode()}, desk.maker)
    assert draft["params"]["ubl"]["size"] == len(long)
    shown = desk.service.read_invoice_file(long.decode())
    assert shown["obstacle"] is None


async def test_restated_rules_stay_with_the_credit(town: Town) -> None:
    """An old message issued under restated rules and dates is shown under those rules ever after, and keeps them."""
    old = MT700_FIELDS.replace(":31C:260302", ":31C:030302")
    importer, exporter = town.desks[LOTUS], town.desks[NANSHAN]
    restated = [["40E", "UCP LATEST VERSION"], ["31D", "260430HONG KONG"]]
    done = await importer.do("lc.issue", mt700=mt("700", old), set=restated)
    assert [each["tag"] for each in done["notes"]["overrides"]] == ["40E", "31D"]
    credit = done["sent"][-1]["created"]
    view = await exporter.service.credit(credit)
    assert view["sealed_terms"]["terms"]["rules"] == "UCP 600"
    assert view["sealed_terms"]["current_terms"]["rules"] == "UCP 600"
    await importer.do("lc.amend", credit=credit, set=[["31D", "260531HONG KONG"]])
    with pytest.raises(DataError) as refused:
        await importer.service.draft("lc.amend", {"credit": credit, "set": [["40E", "OTHR"]]}, importer.maker)
    assert refused.value.field == "rules_as_written"
