"""The invoice: registered from UBL, accepted by the buyer's bank, financed once, refused to a second bank."""

from __future__ import annotations

from node.cli.demo.papers import INVOICE_AMOUNT, read_as_officer
from node.cli.demo.teller import Step, Story
from node.cli.demo.town import EXPORTER, FINANCIER, IMPORTER, RIVAL
from node.errors import DataError

SELLER_AS_THE_RIVAL_KNOWS_IT = {"registration": "SG 0000 FICT", "name": "MERLION CRAFTS"}
BUYER_AS_THE_RIVAL_KNOWS_IT = {"registration": "HK 0000 FICT", "name": "LANTERN QUAY"}


def register(story: Story) -> None:
    """The seller's bank registers it; that excludes nobody."""
    ubl = read_as_officer(story.papers.invoice())
    buyer_bank = story.town.desks[IMPORTER].node.bic
    outcome = story.act(EXPORTER, "invoice.register", ubl=ubl, buyer_bank=buyer_bank)
    story.notes.invoice = outcome["sent"][-1]["created"]
    found = outcome["notes"]["invoice"]
    story.say(f"invoice {story.notes.invoice}: {outcome['notes']['summary']} (from {found['due_source']})")


def buyer_accepts(story: Story) -> None:
    """The buyer's word, by the bank that serves it."""
    instruction = "WE SHALL PAY THE INVOICE AT MATURITY. SIGNED: L. QUAY, DIRECTOR"
    story.act(IMPORTER, "invoice.buyer-accept", invoice=story.notes.invoice, instruction=instruction)


def rival_registers(story: Story) -> None:
    """The same invoice, written otherwise, brought to another bank: it may register, and drafts an offer."""
    outcome = story.act(
        RIVAL,
        "invoice.register",
        ubl=read_as_officer(story.papers.invoice("inv 42")),
        seller=SELLER_AS_THE_RIVAL_KNOWS_IT,
        buyer=BUYER_AS_THE_RIVAL_KNOWS_IT,
    )
    story.notes.copy = outcome["sent"][-1]["created"]
    story.notes.rival_offer = story.town.desk(RIVAL).draft("invoice.offer", **_rival_offer(story))
    story.say(f"copy {story.notes.copy}; {RIVAL} drafts an offer on it: draft {story.notes.rival_offer['id']}")


def offer(story: Story) -> None:
    """The offer and its HOLD are one act."""
    outcome = story.act(FINANCIER, "invoice.offer", invoice=story.notes.invoice, rate_bps=600, advance_bps=8000)
    story.say(outcome["notes"]["summary"])


def rival_is_refused(story: Story) -> None:
    """Whoever holds first, holds: consensus order decides."""
    desk = story.town.desk(RIVAL)
    draft = story.notes.rival_offer
    story.refused("TagTaken", lambda: desk.approve(draft))
    story.refused("TagTaken", lambda: desk.draft("invoice.offer", **_rival_offer(story)))
    state = desk.officer("maker").get(f"/drafts/{draft['id']}")["state"]
    if state != "failed":
        raise DataError(f"the refused draft is {state}", field="draft")


def accept_offer(story: Story) -> None:
    """The seller's bank, by the seller's signed instruction."""
    instruction = "WE ACCEPT THE OFFER. SIGNED: M. FICTIVE, DIRECTOR"
    story.act(EXPORTER, "invoice.accept-offer", invoice=story.notes.invoice, offer=1, instruction=instruction)


def disburse(story: Story) -> None:
    """The invoice is financed."""
    outcome = story.act(FINANCIER, "invoice.disburse", invoice=story.notes.invoice, offer=1, proof="PACS.009 FICT-78")
    found = story.town.desk(EXPORTER).officer("maker").get(f"/invoices/{story.notes.invoice}")
    first = found["offers"][0]
    if (first["state"], found["amount"]) != ("DISBURSED", INVOICE_AMOUNT):
        raise DataError(f"the offer is {first['state']} on {found['amount']}", field="offer")
    shown = ", ".join(f"{name} {value}" for name, value in first["legs"].items())
    story.say(f"{outcome['notes']['summary']}: {shown}")


def _rival_offer(story: Story) -> dict[str, object]:
    return {"invoice": story.notes.copy, "rate_bps": 450, "without_buyer_acceptance": True}


FINANCED = (
    Step("Lion City registers the exporter's invoice from a UBL file", register),
    Step("Harbour Pearl records the buyer's acceptance", buyer_accepts),
    Step("Huangpu Commercial registers the same invoice, written otherwise", rival_registers),
    Step("Thames Wharf offers finance and holds the invoice", offer),
    Step("Huangpu Commercial tries to hold it too: refused", rival_is_refused),
    Step("Lion City accepts the offer for the seller", accept_offer),
    Step("Thames Wharf disburses", disburse),
)
