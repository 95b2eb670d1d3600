"""The credit: issued from an MT700, advised, amended, refused once, corrected, honoured, settled."""

from __future__ import annotations

import datetime as dt
from typing import Any

from node.cli.act_commands import read_text
from node.cli.demo.papers import CREDIT_AMOUNT, day_in_hong_kong, read_as_officer
from node.cli.demo.teller import Step, Story
from node.cli.demo.town import EXPORTER, FINANCIER, IMPORTER
from node.cli.network.banking_days import same_time_banking_days_later
from node.cli.network.test_clock import as_utc
from node.errors import DataError, PermissionDenied
from node.trade.currency import format_amount

DISCREPANCIES = ["COMMERCIAL INVOICE NOT SIGNED", "CERTIFICATE OF ORIGIN NOT PRESENTED"]
INSTRUCTION = "WE ACCEPT THE AMENDMENT AS A WHOLE. SIGNED: M. FICTIVE, DIRECTOR"


def read_message(story: Story) -> None:
    """The officer reads the file before anything is drafted."""
    path = story.papers.mt700()
    found = story.town.desk(IMPORTER).officer("maker").post("/readings/mt700", {"mt700": read_text(path)})
    if found["obstacles"]:
        raise DataError(f"the credit cannot be issued: {found['obstacles']}", field="mt700")
    terms = found["terms"]
    story.say(f"{path}: {path.stat().st_size} bytes, credit {terms['reference']}, advised by {found['advising']}")
    story.say("terms that officers check and no contract enforces:")
    for term in terms["unenforced"]:
        story.say(f"  {term['tag']} {_one_line(term['text'])}")


def issue(story: Story) -> None:
    """Issue it."""
    outcome = story.act(IMPORTER, "lc.issue", mt700=read_as_officer(story.papers.mt700()))
    story.notes.credit = outcome["sent"][-1]["created"]
    story.say(f"credit {story.notes.credit}: {outcome['notes']['summary']}")


def advise(story: Story) -> None:
    """Advise it (UCP 600 art. 9)."""
    story.act(EXPORTER, "lc.advise", credit=story.notes.credit)


def advise_by_two(story: Story) -> None:
    """A maker cannot approve the own draft, whatever the client sends."""
    desk = story.town.desk(EXPORTER)
    draft = desk.draft("lc.advise", credit=story.notes.credit)
    approval = {"hash": draft["hash"], "wait": True}
    try:
        desk.officer("maker").post(f"/drafts/{draft['id']}/approval", approval)
    except PermissionDenied as error:
        story.say(f"refused to the maker: {error.message}")
    else:
        raise DataError("a maker approved the own draft", field="approval")
    story.approve(EXPORTER, draft)


def amend(story: Story) -> None:
    """Amend by an MT707."""
    mt707 = read_as_officer(story.papers.mt707())
    outcome = story.act(IMPORTER, "lc.amend", credit=story.notes.credit, mt707=mt707)
    changes = outcome["notes"]["changes"]
    story.say(f"amount {' -> '.join(format_amount(each, 'USD') for each in changes['amount'])}")
    story.say(f"expiry {' -> '.join(changes['expiry_date'])}")
    before, after = changes["documents_required"]
    story.say(f"documents: and {', '.join(each for each in after if each not in before)}")


def accept_amendment(story: Story) -> None:
    """The beneficiary's side consents (UCP 600 art. 10)."""
    story.act(EXPORTER, "lc.accept-amendment", credit=story.notes.credit, amendment=0, instruction=INSTRUCTION)


def ship(story: Story) -> None:
    """One banking day later."""
    _advance_banking_days(story, 1)


def present_discrepant(story: Story) -> None:
    """Documents with two discrepancies; the examining bank's clock starts."""
    _present(story, signed=False)
    seen = _credit(story, IMPORTER)["presentations"][0]["examinations"][0]
    story.say(f"examination until {as_utc(seen['deadline'])} (fifth banking day), day zero {seen['day_zero']}")


def stranger_sees_nothing(story: Story) -> None:
    """A bank that is no party can neither read nor list the documents."""
    anchors = story.town.desk(EXPORTER).officer("maker").get("/documents", subject=story.notes.credit)
    story.notes.anchor = next(each["anchor"] for each in anchors if each["kind"] == "document")
    body, name = story.town.desk(IMPORTER).officer("maker").download(f"/documents/{story.notes.anchor}")
    story.say(f"{IMPORTER} opens {name}, {len(body)} bytes")
    stranger = story.town.desk(FINANCIER).officer("maker")
    if stranger.get("/documents"):
        raise DataError(f"{FINANCIER} lists documents of others", field="documents")
    try:
        stranger.download(f"/documents/{story.notes.anchor}")
    except PermissionDenied as error:
        story.say(f"refused to {FINANCIER}: {error.message}")
    else:
        raise DataError(f"{FINANCIER} opened a document of others", field="documents")


def examine_days(story: Story) -> None:
    """Three of the five banking days pass."""
    _advance_banking_days(story, 3)
    deadline = _credit(story, IMPORTER)["presentations"][0]["examinations"][0]["deadline"]
    if story.town.now() >= deadline:
        raise DataError("the third banking day lies behind the deadline", field="deadline")


def refuse(story: Story) -> None:
    """One notice of every discrepancy, with a disposal."""
    outcome = story.act(
        IMPORTER,
        "lc.refuse",
        credit=story.notes.credit,
        presentation=0,
        discrepancies=DISCREPANCIES,
        disposal="HOLD",
    )
    for line in outcome["notes"]["mt734"].splitlines():
        if line.startswith((":77", "1.", "2.")):
            story.say(f"MT734 {line}")


def second_notice(story: Story) -> None:
    """There is one notice, and no second (UCP 600 art. 16 c, f)."""
    desk = story.town.desk(IMPORTER)
    again = {"credit": story.notes.credit, "presentation": 0, "discrepancies": ["ONE MORE"], "disposal": "HOLD"}
    story.refused("UCP16", lambda: desk.draft("lc.refuse", **again))


def present_corrected(story: Story) -> None:
    """Signed, and with the certificate."""
    _present(story, signed=True, corrects=0)
    _advance_banking_days(story, 1)


def examine(story: Story) -> None:
    """The presentation complies."""
    story.act(IMPORTER, "lc.examine", credit=story.notes.credit, presentation=1)


def honour(story: Story) -> None:
    """Honour at sight."""
    story.act(IMPORTER, "lc.honour", credit=story.notes.credit, presentation=1)


def settle(story: Story) -> None:
    """The payment, recorded by its debtor."""
    story.act(IMPORTER, "lc.settle", credit=story.notes.credit, obligation=0, proof="PACS.009 REF FICT-77 SETTLED")
    found = _credit(story, EXPORTER)
    owed = found["obligations"][0]
    if found["drawn"] != CREDIT_AMOUNT or not owed["settled_at"]:
        raise DataError(f"{found['drawn']} drawn, settled at {owed['settled_at']}", field="obligation")
    story.say(f"{found['currency']} {owed['amount']} paid by {owed['debtor_name']} to {owed['creditor_name']}")


def _present(story: Story, *, signed: bool, **more: Any) -> None:
    shipped = day_in_hong_kong(story.town.now()) - dt.timedelta(days=1)
    documents = story.papers.documents(shipped, signed=signed)
    outcome = story.act(
        EXPORTER,
        "lc.present",
        credit=story.notes.credit,
        amount=_credit(story, EXPORTER)["amount"],
        documents=[read_as_officer(path) for path in documents],
        shipment_date=shipped.isoformat(),
        transport_original=True,
        **more,
    )
    story.say(outcome["notes"]["summary"])


def _advance_banking_days(story: Story, count: int) -> None:
    now = story.town.now()
    story.advance(same_time_banking_days_later(now, count, "HK") - now)


def _credit(story: Story, bank: str) -> dict[str, Any]:
    found: dict[str, Any] = story.town.desk(bank).officer("maker").get(f"/credits/{story.notes.credit}")
    return found


def _one_line(text: str) -> str:
    return " / ".join(text.split("\n"))


BEFORE_THE_KILL = (
    Step("Harbour Pearl reads an MT700 from a file", read_message),
    Step("Harbour Pearl issues the credit: a maker drafts, a checker approves", issue),
    Step("Lion City advises it; its maker cannot approve the own draft", advise_by_two),
    Step("Harbour Pearl amends it by an MT707", amend),
    Step("Lion City accepts the amendment for the beneficiary", accept_amendment),
    Step("The goods are shipped: one banking day passes", ship),
    Step("Lion City presents documents: sealed, lodged, anchored", present_discrepant),
    Step("Harbour Pearl opens them; Thames Wharf, no party, cannot", stranger_sees_nothing),
)
"""From the message to documents on the examiner's desk."""

DURING_THE_ABSENCE = (
    Step("Three of five banking days pass", examine_days),
    Step("Harbour Pearl refuses by one notice of all discrepancies", refuse),
    Step("A second notice is refused", second_notice),
    Step("Lion City presents corrected documents; one banking day passes", present_corrected),
    Step("Harbour Pearl examines again: they comply", examine),
    Step("Harbour Pearl honours", honour),
)
"""What three of four banks do while one is dead."""

AFTER_THE_RETURN = (Step("Harbour Pearl settles", settle),)
