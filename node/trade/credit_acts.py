"""Planning every other act on a credit: advice, consent, presentation, examination, refusal, honour, settlement."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from contracts import letter_of_credit as lc
from contracts.consortium import Member
from contracts.letter_of_credit import Disposal, PresentationInput
from node.desk.acts import Inputs, file_bytes
from node.desk.chain_access import ContractRefusal
from node.desk.drafts import APPROVALS_PLACEHOLDER, ActPlan, Call
from node.errors import DataError
from node.trade.credit_issue import current_message
from node.trade.currency import amount_in
from node.trade.office import Office
from node.trade.refusal import refusal_text
from node.trade.vault import Sealing

_ANCHOR = re.compile(r"0x[0-9a-fA-F]{64}\Z")
DISCREPANCIES_MAX = 70
"""Field 77J of MT734 has 70 lines."""


def _plan(
    act: str,
    inputs: Inputs,
    calls: Sequence[tuple[str, bytes]],
    *,
    sealed: Sequence[Sealing] = (),
    notes: dict[str, Any] | None = None,
) -> ActPlan:
    """A plan on one credit: anchoring calls first, then the acts."""
    address = inputs.raw("credit")
    anchors = [sealing.call for sealing in sealed if sealing.call is not None]
    acts = [Call(lc.CONTRACT, function, address, data) for function, data in calls]
    return ActPlan(
        act=act,
        subject="0x" + address.hex(),
        params=inputs.to_json(),
        calls=(*anchors, *acts),
        notes={**(notes or {}), "sealed": [sealing.to_json() for sealing in sealed]},
    )


async def plan_advise(office: Office, inputs: Inputs) -> ActPlan:
    """Advise (UCP 9); a request to confirm is answered in the same act: not added (UCP 8 d)."""
    credit = await office.credit(inputs.raw("credit"))
    opened = await office.vault.open_committed(
        credit.parties.issuing_bank, credit.terms.terms_hash, subject=inputs.need_text("credit")
    )
    calls = [("advise", lc.encode_advise(APPROVALS_PLACEHOLDER))]
    asked = credit.parties.confirmation_request is not lc.ConfirmationRequest.WITHOUT
    if asked and credit.confirmation is lc.Confirmation.NONE:
        calls.append(("declineConfirmation", lc.encode_decline_confirmation(APPROVALS_PLACEHOLDER)))
    notes = {
        "summary": "advise the credit" + (", confirmation not added" if asked else ""),
        "confirmation": "not added" if asked else "not requested",
        "terms_opened": opened is not None,
    }
    return _plan("lc.advise", inputs, calls, notes=notes)


async def plan_decline_advice(office: Office, inputs: Inputs) -> ActPlan:
    """The advising bank elects not to advise, and says why (UCP 9 e)."""
    sealed = await _sealed_text(office, inputs, "reason", [await _issuer(office, inputs)], kind="document")
    data = lc.encode_decline_advice(sealed.commitment, APPROVALS_PLACEHOLDER)
    return _plan("lc.decline-advice", inputs, [("declineAdvice", data)], sealed=[sealed])


async def plan_accept_amendment(office: Office, inputs: Inputs) -> ActPlan:
    """The beneficiary accepts a whole amendment, by its signed instruction (UCP 10 c)."""
    sealed = await _instruction(office, inputs)
    index = inputs.need_integer("amendment")
    data = lc.encode_accept_amendment(index, sealed.commitment, APPROVALS_PLACEHOLDER)
    notes = {"summary": f"accept amendment {index}"}
    return _plan("lc.accept-amendment", inputs, [("acceptAmendment", data)], sealed=[sealed], notes=notes)


async def plan_reject_amendment(office: Office, inputs: Inputs) -> ActPlan:
    """The beneficiary rejects; acceptance of a part is rejection of the whole (UCP 10 d, e)."""
    sealed = await _instruction(office, inputs)
    index = inputs.need_integer("amendment")
    data = lc.encode_reject_amendment(index, sealed.commitment, APPROVALS_PLACEHOLDER, partly=inputs.flag("partly"))
    notes = {"summary": f"reject amendment {index}"}
    return _plan("lc.reject-amendment", inputs, [("rejectAmendment", data)], sealed=[sealed], notes=notes)


async def plan_consent_cancel(office: Office, inputs: Inputs) -> ActPlan:
    """The beneficiary consents to cancellation (UCP 10 a)."""
    sealed = await _instruction(office, inputs)
    data = lc.encode_consent_to_cancellation(sealed.commitment, APPROVALS_PLACEHOLDER)
    return _plan("lc.consent-cancel", inputs, [("consentToCancellation", data)], sealed=[sealed])


async def plan_cancel(office: Office, inputs: Inputs) -> ActPlan:
    """The issuing bank cancels with the beneficiary's consent (UCP 10 a)."""
    return _plan("lc.cancel", inputs, [("cancel", lc.encode_cancel(APPROVALS_PLACEHOLDER))])


async def plan_expire(office: Office, inputs: Inputs) -> ActPlan:
    """Record that the credit has expired (UCP 6 d)."""
    return _plan("lc.expire", inputs, [("expire", lc.encode_expire(APPROVALS_PLACEHOLDER))])


async def plan_close(office: Office, inputs: Inputs) -> ActPlan:
    """Close what is ended and settled."""
    return _plan("lc.close", inputs, [("close", lc.encode_close(APPROVALS_PLACEHOLDER))])


async def plan_present(office: Office, inputs: Inputs) -> ActPlan:
    """Present documents at a bank (UCP 6 d, 14 c, 29 a): each is sealed, lodged and anchored first."""
    credit = await office.credit(inputs.raw("credit"))
    examining = office.bank(name) if (name := inputs.text("at")) else office.bank_by_id(credit.parties.issuing_bank)
    if examining is None:
        raise DataError("the issuing bank is no member any more", field="at")
    issuer = office.bank_by_id(credit.parties.issuing_bank)
    recipients = office.others([examining, issuer])
    files = inputs.items("documents")
    anchors = [await _known_anchor(office, each) for each in inputs.items("anchors")]
    if not files and not anchors:
        raise DataError("a presentation has documents: give documents or anchors", field="documents")
    if len(files) + len(anchors) > lc.DOCUMENTS_MAX:
        raise DataError(f"at most {lc.DOCUMENTS_MAX} documents in one presentation", field="documents")
    sealed = [
        await office.vault.seal(
            file_bytes(entry),
            kind="document",
            name=entry["name"],
            media_type=entry.get("media_type") or "application/octet-stream",
            recipients=recipients,
            subject=inputs.need_text("credit"),
            must_lodge=False,
        )
        for entry in files
    ]
    currency = credit.parties.currency
    corrected = inputs.integer("corrects")
    given = PresentationInput(
        examining_bank=examining.id,
        amount=amount_in(inputs.need_text("amount"), currency, credit.parties.exponent),
        documents=(*anchors, *(each.anchor for each in sealed)),
        shipment_day=inputs.day("shipment_date"),
        transport_original=inputs.flag("transport_original"),
        full_quantity=inputs.flag("full_quantity"),
        previous=0 if corrected is None else corrected + 1,
    )
    data = lc.encode_present(given, APPROVALS_PLACEHOLDER)
    count = len(given.documents)
    notes = {"summary": f"present {currency} {inputs.need_text('amount')} at {examining.name}, {count} documents"}
    return _plan("lc.present", inputs, [("present", data)], sealed=sealed, notes=notes)


async def _known_anchor(office: Office, text: str) -> bytes:
    """A document that stands on the chain, or that this bank has sealed and will anchor; a mistyped one starts the
    examining bank's clock for nothing."""
    if not _ANCHOR.match(text):
        raise DataError(f"{text!r} is no anchor: 0x and 64 hex digits", field="anchors")
    anchor = bytes.fromhex(text[2:])
    if not office.vault.has_sealed(anchor):
        try:
            await office.vault.anchor_of(anchor)
        except ContractRefusal:
            raise DataError(f"no document is anchored at {text}", field="anchors", code="ANCHOR_UNKNOWN") from None
    return anchor


async def plan_forward(office: Office, inputs: Inputs) -> ActPlan:
    """Send presented documents on to the issuing bank, whose own clock starts."""
    data = lc.encode_forward_documents(inputs.need_integer("presentation"), APPROVALS_PLACEHOLDER)
    return _plan("lc.forward", inputs, [("forwardDocuments", data)])


async def plan_examine(office: Office, inputs: Inputs) -> ActPlan:
    """The examining bank determines that the presentation complies (UCP 14 a, 15)."""
    index = inputs.need_integer("presentation")
    found = lc.decode_findings(await office.read(inputs.raw("credit"), lc.encode_findings(index)))
    data = lc.encode_determine_compliance(index, APPROVALS_PLACEHOLDER)
    notes = {
        "summary": f"presentation {index} complies",
        "findings": [finding.name for finding in lc.Finding if finding in found],
    }
    return _plan("lc.examine", inputs, [("determineCompliance", data)], notes=notes)


async def plan_refuse(office: Office, inputs: Inputs) -> ActPlan:
    """The single notice of refusal with every discrepancy and the disposal of the documents (UCP 16 c, d).

    It waits for nobody: where custodians cannot be reached, the notice goes out with its hash, the text later.
    """
    address, index = inputs.raw("credit"), inputs.need_integer("presentation")
    discrepancies = [text.strip() for text in inputs.items("discrepancies") if text.strip()]
    if not 1 <= len(discrepancies) <= DISCREPANCIES_MAX:
        raise DataError(
            f"a refusal states 1 to {DISCREPANCIES_MAX} discrepancies (UCP 600 art. 16 c ii)", field="discrepancies"
        )
    try:
        disposal = Disposal[inputs.need_text("disposal").upper()]
    except KeyError:
        disposal = Disposal.NONE
    if disposal is Disposal.NONE:
        raise DataError("disposal is HOLD, NOTIFY, RETURN or PREVINST (UCP 600 art. 16 c iii)", field="disposal")
    presentation = lc.decode_presentation(await office.read(address, lc.encode_presentation(index)))
    presenter = office.bank_by_id(presentation.presenter)
    credit = await office.credit(address)
    text = refusal_text(
        office.me.bic,
        presenter.bic if presenter else office.me.bic,
        reference=inputs.text("our_reference") or await _reference(office, address),
        their_reference=inputs.text("their_reference") or "NONREF",
        day=office.today(),
        currency=credit.parties.currency,
        amount=presentation.amount,
        discrepancies=discrepancies,
        disposal=disposal.name,
    )
    sealed = await office.vault.seal_json(
        {"discrepancies": discrepancies, "disposal": disposal.name, "presentation": index, "mt734": text},
        kind="discrepancies",
        name=f"refusal of presentation {index}",
        recipients=office.others([presenter]),
        must_lodge=False,
    )
    data = lc.encode_refuse(index, len(discrepancies), sealed.commitment, disposal, APPROVALS_PLACEHOLDER)
    notes = {
        "summary": f"refuse presentation {index}: {len(discrepancies)} discrepancies, {disposal.name}",
        "discrepancies": discrepancies,
        "disposal": disposal.name,
        "mt734": text,
    }
    return _plan("lc.refuse", inputs, [("refuse", data)], sealed=[sealed], notes=notes)


async def plan_return_documents(office: Office, inputs: Inputs) -> ActPlan:
    """Return refused documents (UCP 16 e)."""
    data = lc.encode_return_documents(inputs.need_integer("presentation"), APPROVALS_PLACEHOLDER)
    return _plan("lc.return-documents", inputs, [("returnDocuments", data)])


async def plan_seek_waiver(office: Office, inputs: Inputs) -> ActPlan:
    """The issuing bank asks the applicant; its clock runs on (UCP 16 b)."""
    sealed = await _sealed_text(office, inputs, "request", [], kind="document", must_lodge=False)
    data = lc.encode_seek_waiver(inputs.need_integer("presentation"), sealed.commitment, APPROVALS_PLACEHOLDER)
    return _plan("lc.seek-waiver", inputs, [("seekWaiver", data)], sealed=[sealed])


async def plan_waive(office: Office, inputs: Inputs) -> ActPlan:
    """The issuing bank takes up despite discrepancies, in its own judgement (UCP 16 b); evidence is optional."""
    index = inputs.need_integer("presentation")
    sealed = []
    if inputs.text("evidence"):
        sealed.append(await _sealed_text(office, inputs, "evidence", [], kind="instruction", must_lodge=False))
    evidence = sealed[0].commitment if sealed else bytes(32)
    data = lc.encode_waive(index, evidence, APPROVALS_PLACEHOLDER)
    notes = {"summary": f"waive the discrepancies of presentation {index}"}
    return _plan("lc.waive", inputs, [("waive", data)], sealed=sealed, notes=notes)


async def plan_withdraw(office: Office, inputs: Inputs) -> ActPlan:
    """The presenter takes an undecided presentation back from a bank."""
    sealed = await _instruction(office, inputs)
    bank = office.bank(inputs.need_text("bank"))
    data = lc.encode_withdraw(inputs.need_integer("presentation"), bank.id, sealed.commitment, APPROVALS_PLACEHOLDER)
    return _plan("lc.withdraw", inputs, [("withdraw", data)], sealed=[sealed])


async def plan_honour(office: Office, inputs: Inputs) -> ActPlan:
    """Honour or negotiate (UCP 7, 12, 15); ``maturity`` only where the credit's tenor is a text."""
    index = inputs.need_integer("presentation")
    data = lc.encode_honour(index, APPROVALS_PLACEHOLDER, stated_maturity=inputs.day("maturity"))
    return _plan("lc.honour", inputs, [("honour", data)], notes={"summary": f"honour presentation {index}"})


async def plan_settle(office: Office, inputs: Inputs) -> ActPlan:
    """The debtor records payment of an obligation, by proof and value date."""
    index = inputs.need_integer("obligation")
    owed = lc.decode_obligation(await office.read(inputs.raw("credit"), lc.encode_obligation(index)))
    creditor = office.bank_by_id(owed.creditor)
    sealed = await _sealed_text(office, inputs, "proof", office.others([creditor]), kind="document")
    value_date: date = inputs.day("value_date") or office.today()
    data = lc.encode_settle(index, sealed.commitment, value_date, APPROVALS_PLACEHOLDER)
    notes = {"summary": f"settle obligation {index}, value {value_date}"}
    return _plan("lc.settle", inputs, [("settle", data)], sealed=[sealed], notes=notes)


async def _reference(office: Office, address: bytes) -> str:
    """The issuing bank's number of the credit (field 20), where this bank may read it; else a part of the address."""
    try:
        reference = (await current_message(office, address)).component("20", "reference")
    except DataError:
        reference = None
    return reference or address.hex()[:16].upper()


async def _instruction(office: Office, inputs: Inputs) -> Sealing:
    """The beneficiary's signed instruction: sealed for this bank alone, its hash in the act."""
    return await _sealed_text(office, inputs, "instruction", [], kind="instruction")


async def _sealed_text(
    office: Office, inputs: Inputs, name: str, recipients: Sequence[Member], *, kind: str, must_lodge: bool = True
) -> Sealing:
    return await office.vault.seal(
        inputs.need_text(name).encode(),
        kind=kind,
        name=name,
        media_type="text/plain",
        recipients=recipients,
        subject=inputs.need_text("credit"),
        must_lodge=must_lodge,
    )


async def _issuer(office: Office, inputs: Inputs) -> Member:
    credit = await office.credit(inputs.raw("credit"))
    issuer = office.bank_by_id(credit.parties.issuing_bank)
    if issuer is None:
        raise DataError("the issuing bank is no member any more", field="credit")
    return issuer
