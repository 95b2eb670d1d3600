"""The console's vocabulary: acts, events, calls and states in officers' words, with the article where one rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ACT_TITLES: Mapping[str, str] = {
    "lc.issue": "Issue a credit",
    "lc.advise": "Advise",
    "lc.decline-advice": "Decline to advise",
    "lc.amend": "Amend",
    "lc.accept-amendment": "Accept an amendment",
    "lc.reject-amendment": "Reject an amendment",
    "lc.present": "Present documents",
    "lc.forward": "Forward documents",
    "lc.examine": "Determine compliance",
    "lc.refuse": "Refuse (single notice)",
    "lc.return-documents": "Return documents",
    "lc.seek-waiver": "Seek a waiver",
    "lc.waive": "Waive discrepancies",
    "lc.withdraw": "Withdraw a presentation",
    "lc.honour": "Honour",
    "lc.settle": "Record settlement",
    "lc.consent-cancel": "Consent to cancellation",
    "lc.cancel": "Cancel",
    "lc.expire": "Record expiry",
    "lc.close": "Close",
    "invoice.register": "Register an invoice",
    "invoice.buyer-accept": "Record the buyer's acceptance",
    "invoice.offer": "Offer finance",
    "invoice.accept-offer": "Accept an offer",
    "invoice.disburse": "Record disbursement",
    "invoice.repay": "Record repayment",
    "invoice.release": "Release an offer",
    "doc.submit": "Submit documents",
    "doc.anchor": "Anchor a sealed document",
}

LABELS: Mapping[str, str] = {
    "mt700": "MT700 message",
    "mt707": "MT707 message",
    "ubl": "Invoice file (UBL 2.1 or CII)",
    "set": "Fields restated by the officer",
    "lenient": "Lenient: accept deviations from the standard",
    "advising": "Advising bank",
    "beneficiary_bank": "Beneficiary's bank",
    "buyer_bank": "Buyer's bank",
    "place": "Place of expiry",
    "on_behalf": "On behalf of the sender",
    "at": "Examining bank",
    "bank": "Bank",
    "anchors": "Documents anchored before",
    "corrects": "Corrects presentation",
    "transport_original": "Holds an original transport document",
    "full_quantity": "Shipped in full at an unreduced unit price",
    "instruction": "Customer's signed instruction",
    "proof": "Proof of payment",
    "seller": "Seller in our customer records",
    "buyer": "Buyer in our customer records",
    "rate_bps": "Rate a year (basis points)",
    "advance_bps": "Share advanced (basis points)",
    "fraction_bps": "Share of the invoice (basis points)",
    "hours": "Life of the offer (hours)",
    "lei": "LEI",
    "vat": "VAT number",
    "partly": "A part was accepted",
}
"""Labels of inputs; others are their parameter's name as a phrase."""

CONSEQUENCES: Mapping[str, str] = {
    "lc.issue": "From its block on this bank is irrevocably bound to honour (UCP 600 art. 7 b).",
    "lc.amend": "This bank is bound by the amendment from its block on (art. 10 b); the beneficiary's side must accept"
    " it whole.",
    "lc.accept-amendment": "The whole amendment is accepted; a part cannot be (art. 10 e).",
    "lc.examine": "This bank determines that the presentation complies: it must then honour (art. 15).",
    "lc.refuse": "One notice, with every discrepancy: no second notice can be given for this presentation (art. 16 c).",
    "lc.waive": "This bank takes the documents up despite the discrepancies, in its sole judgement (art. 16 b).",
    "lc.honour": "This bank pays, or undertakes to pay at maturity (art. 2, 7).",
    "lc.cancel": "The credit ends. It needs the beneficiary's consent (art. 10 a).",
    "lc.close": "The credit ends for good.",
    "lc.present": "The examining bank's clock starts at the close of the banking day of receipt (art. 14 b).",
    "invoice.offer": "The invoice is held in the shared registry for the life of the offer: no other bank can hold it.",
    "invoice.buyer-accept": "The buyer's acceptance is irrevocable.",
}

TURN_ACTS: Mapping[str, tuple[str, ...]] = {
    "examine": ("lc.examine", "lc.refuse", "lc.seek-waiver", "lc.waive"),
    "honour": ("lc.honour",),
    "settle": ("lc.settle",),
    "advise": ("lc.advise", "lc.decline-advice"),
    "answer-amendment": ("lc.accept-amendment", "lc.reject-amendment"),
    "present": ("lc.present",),
    "buyer-accept": ("invoice.buyer-accept",),
    "accept-offer": ("invoice.accept-offer",),
    "disburse": ("invoice.disburse",),
    "repay": ("invoice.repay",),
}
"""What a bank whose turn it is can draft."""

_TURN_WORDS: Mapping[str, str] = {
    "examine": "examine presentation {presentation}",
    "honour": "honour presentation {presentation}",
    "settle": "settle obligation {obligation}",
    "advise": "advise",
    "answer-amendment": "answer amendment {amendment}",
    "present": "present documents",
    "buyer-accept": "record the buyer's acceptance",
    "accept-offer": "accept offer {offer}",
    "disburse": "disburse offer {offer}",
    "repay": "record repayment of offer {offer}",
}

STATES: Mapping[str, str] = {
    "pending": "Waiting for approval",
    "approved": "Submitted, on its way",
    "final": "Final",
    "failed": "Failed",
    "rejected": "Rejected",
}

STANDINGS: Mapping[str, str] = {
    "NONE": "Not at this bank",
    "EXAMINING": "Under examination",
    "COMPLYING": "Complies",
    "REFUSED": "Refused",
    "WAIVED": "Discrepancies waived",
    "HONOURED": "Honoured",
    "FORWARDED": "Forwarded",
    "WITHDRAWN": "Withdrawn",
    "PRECLUDED": "Precluded on the chain's record (art. 16 f)",
}

FINDINGS: Mapping[str, str] = {
    "LATE_PRESENTATION": "Presented after the presentation period (art. 14 c)",
    "LATE_SHIPMENT": "Shipped after the latest date of shipment",
    "OVERDRAWN": "Draws more than is available (art. 30)",
    "SHORT_DRAWN": "Draws less than the tolerance allows (art. 30)",
    "PARTIAL_DRAWING": "Partial drawing where none is allowed (art. 31)",
}

DISPOSALS: Mapping[str, str] = {
    "HOLD": "HOLD: documents held pending the presenter's instructions",
    "NOTIFY": "NOTIFY: held until a waiver from the applicant, or the presenter's instructions",
    "RETURN": "RETURN: documents are being returned",
    "PREVINST": "PREVINST: acting on instructions received before",
}

TAG_NAMES: Mapping[str, str] = {
    "27": "Sequence of total", "40A": "Form of credit", "20": "Credit number", "23": "Reference to pre-advice",
    "31C": "Date of issue", "40E": "Applicable rules", "31D": "Date and place of expiry", "51A": "Applicant bank",
    "51D": "Applicant bank", "50": "Applicant", "59": "Beneficiary", "32B": "Currency and amount",
    "39A": "Tolerance", "39C": "Additional amounts", "41A": "Available with, by", "41D": "Available with, by",
    "42C": "Drafts at", "42A": "Drawee", "42D": "Drawee", "42M": "Mixed payment", "42P": "Deferred payment",
    "43P": "Partial shipments", "43T": "Transhipment", "44A": "Taking in charge at", "44E": "Port of loading",
    "44F": "Port of discharge", "44B": "Final destination", "44C": "Latest date of shipment",
    "44D": "Shipment period", "45A": "Goods or services", "46A": "Documents required",
    "47A": "Additional conditions", "49G": "Payment conditions for beneficiary",
    "49H": "Payment conditions for bank", "71D": "Charges", "48": "Presentation period",
    "49": "Confirmation", "58A": "Confirmation party", "58D": "Confirmation party", "53A": "Reimbursing bank",
    "53D": "Reimbursing bank", "78": "Instructions to bank", "57A": "Advise through", "57B": "Advise through",
    "57D": "Advise through", "72Z": "Sender to receiver",
}  # fmt: skip

_CALLS: Mapping[tuple[str, str], str] = {
    ("DocumentRegistry", "anchor"): "Anchor a sealed text: its commitment and the custodians' receipts",
    ("LetterOfCreditFactory", "issue"): "Issue the credit as a contract of its own",
    ("LetterOfCredit", "advise"): "Advise the credit (art. 9)",
    ("LetterOfCredit", "declineAdvice"): "Elect not to advise (art. 9 e)",
    ("LetterOfCredit", "declineConfirmation"): "Answer the request to confirm: not added (art. 8 d)",
    ("LetterOfCredit", "amend"): "Issue the amendment (art. 10)",
    ("LetterOfCredit", "acceptAmendment"): "Accept the whole amendment (art. 10 c)",
    ("LetterOfCredit", "rejectAmendment"): "Reject the amendment (art. 10 d, e)",
    ("LetterOfCredit", "present"): "Present the documents to the examining bank (art. 6, 14)",
    ("LetterOfCredit", "forwardDocuments"): "Forward the documents to the issuing bank",
    ("LetterOfCredit", "determineCompliance"): "Determine that the presentation complies (art. 14 a, 15)",
    ("LetterOfCredit", "refuse"): "Give the single notice of refusal (art. 16 c, d)",
    ("LetterOfCredit", "returnDocuments"): "Return the refused documents (art. 16 e)",
    ("LetterOfCredit", "seekWaiver"): "Ask the applicant for a waiver; the clock runs on (art. 16 b)",
    ("LetterOfCredit", "waive"): "Take up despite discrepancies (art. 16 b)",
    ("LetterOfCredit", "withdraw"): "Take the presentation back",
    ("LetterOfCredit", "honour"): "Honour or negotiate (art. 7, 12, 15)",
    ("LetterOfCredit", "settle"): "Record payment of the obligation",
    ("LetterOfCredit", "consentToCancellation"): "Consent to cancellation (art. 10 a)",
    ("LetterOfCredit", "cancel"): "Cancel the credit (art. 10 a)",
    ("LetterOfCredit", "expire"): "Record that the credit has expired (art. 6 d)",
    ("LetterOfCredit", "close"): "Close the credit",
    ("InvoiceFinancingFactory", "register"): "Register the invoice with its duplicate-check tags",
    ("InvoiceFinancing", "recordBuyerAcceptance"): "Record the buyer's irrevocable acceptance",
    ("InvoiceFinancing", "makeOffer"): "Offer finance and hold the invoice in the registry",
    ("InvoiceFinancing", "acceptOffer"): "Accept the offer for the seller",
    ("InvoiceFinancing", "disburse"): "Record the disbursement; the hold becomes FINANCED",
    ("InvoiceFinancing", "repay"): "Record money received",
    ("InvoiceFinancing", "release"): "End the offer and free its hold",
}

_EVENTS: Mapping[str, str] = {
    "CreditIssued": "Credit issued",
    "CreditAdvised": "Advised",
    "AdviceDeclined": "Elected not to advise",
    "ConfirmationDeclined": "Confirmation not added",
    "AmendmentIssued": "Amendment {amendment} issued",
    "AmendmentAccepted": "Amendment {amendment} accepted",
    "AmendmentRejected": "Amendment {amendment} rejected",
    "DocumentsPresented": "Presentation {presentation} made",
    "DocumentsForwarded": "Presentation {presentation} forwarded",
    "ExaminationStarted": "Examination of presentation {presentation} started",
    "ComplianceDetermined": "Presentation {presentation} complies",
    "PresentationRefused": "Presentation {presentation} refused: {discrepancyCount} discrepancies",
    "DocumentsReturned": "Documents of presentation {presentation} returned",
    "WaiverSought": "Waiver sought for presentation {presentation}",
    "DiscrepanciesWaived": "Discrepancies of presentation {presentation} waived",
    "PresentationWithdrawn": "Presentation {presentation} withdrawn",
    "PresentationHonoured": "Presentation {presentation} honoured",
    "ObligationSettled": "Obligation {obligation} settled",
    "CancellationConsented": "Consented to cancellation",
    "CreditCancelled": "Credit cancelled",
    "CreditExpired": "Credit expired",
    "CreditClosed": "Credit closed",
    "InvoiceRegistered": "Invoice registered",
    "BuyerAccepted": "Buyer's acceptance recorded",
    "OfferMade": "Offer {offerId} made",
    "OfferAccepted": "Offer {offerId} accepted",
    "OfferReleased": "Offer {offerId} released",
    "Disbursed": "Offer {offerId} disbursed",
    "RepaymentReceived": "Repayment on offer {offerId} received",
    "FinancingRepaid": "Offer {offerId} repaid in full",
    "HoldPlaced": "Invoice held in the registry",
    "HoldReleased": "Hold released",
}
_BACKGROUND = frozenset({"ActApproved", "CreditCreated", "FinancingCreated", "Initialized", "TagRegistered"})
"""Events that prove and do not tell: folded away with the proof."""
_WHO = ("bank", "presenter", "from", "issuingBank", "sellerBank", "buyerBank", "depositor")


def act_title(name: str) -> str:
    """An act's title; its name where a newer table has one that this console does not know."""
    return ACT_TITLES.get(name, name)


def label(name: str) -> str:
    """An input's label."""
    return LABELS.get(name, plain(name))


def plain(word: str) -> str:
    """``AFTER_SIGHT`` or ``beneficiary_bank`` as a phrase."""
    text = word.replace("_", " ").replace("-", " ").strip().lower()
    return text[:1].upper() + text[1:]


def turn_words(turn: Mapping[str, Any]) -> str:
    """What is to be done, in a few words."""
    return _filled(_TURN_WORDS.get(turn["act"], plain(str(turn["act"])).lower()), turn)


def next_actor(view: Mapping[str, Any]) -> str:
    """The status of a deal is who acts next."""
    turns = view.get("next") or []
    if not turns:
        return {"ISSUED": "No act is due"}.get(str(view.get("life")), plain(str(view.get("life", "No act is due"))))
    first = turns[0]
    more = f" (+{len(turns) - 1})" if len(turns) > 1 else ""
    return f"{first.get('bank_name') or 'A bank'} to {turn_words(first)}{more}"


def call_words(contract: str, function: str) -> str:
    """One contract call as a sentence."""
    return _CALLS.get((contract, function), f"{contract}.{function}")


def event_words(event: Mapping[str, Any]) -> str:
    """What happened; the event's own name where it has no words here."""
    return _filled(_EVENTS.get(event["event"], str(event["event"])), event["args"])


def is_background(event: Mapping[str, Any]) -> bool:
    """Whether the event belongs to the proof, not to the story."""
    return event["event"] in _BACKGROUND


def event_bank(event: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """The bank that acted, by name, where the event says so."""
    for key in _WHO:
        if event["args"].get(key) in names:
            return names[event["args"][key]]
    return ""


def _filled(template: str, values: Mapping[str, Any]) -> str:
    try:
        return template.format_map(dict(values))
    except (KeyError, IndexError, ValueError):
        return template.partition("{")[0].strip()
