"""Every act that officers can draft, by name: the one table behind REST, console and command line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from node.desk.acts import Act, Inputs, Param
from node.desk.drafts import ActPlan
from node.trade import credit_acts, credit_issue, documents, invoices
from node.trade.office import Office

_CREDIT = Param("credit", "address", True, "the credit's address")
_INVOICE = Param("invoice", "address", True, "the invoice's address")
_PRESENTATION = Param("presentation", "integer", True, "index of the presentation, from 0")
_AMENDMENT = Param("amendment", "integer", True, "index of the amendment, from 0")
_OFFER = Param("offer", "integer", True, "number of the offer, from 1")
_INSTRUCTION = Param("instruction", "text", True, "the customer's signed instruction, kept sealed")
_SET = Param("set", "settings", False, "restated fields: [tag, text]")
_LENIENT = Param("lenient", "flag", False, "accept deviations from the standard, each named")
_PROOF = Param("proof", "text", True, "reference and proof of the payment, kept sealed")
_VALUE_DATE = Param("value_date", "date", False, "value date; today where absent")


Planner = Callable[[Office, Inputs], Awaitable[ActPlan]]


def _act(name: str, help_text: str, planner: Planner, *params: Param) -> Act[Office]:
    return Act(name, help_text, params, planner)


ACTS: Mapping[str, Act[Office]] = {
    act.name: act
    for act in (
        _act(
            "lc.issue",
            "issue a credit from an MT700",
            credit_issue.plan_issue,
            Param("mt700", "content", True, "the whole message"),
            _LENIENT,
            _SET,
            Param("advising", "text", False, "advising bank, where neither receiver nor 57a is a member"),
            Param(
                "beneficiary_bank", "text", False, "bank that speaks for the beneficiary; the advising bank if absent"
            ),
            Param("place", "text", False, "place of expiry whose calendar counts, such as HKHKG"),
            Param("on_behalf", "flag", False, "issue although the sender's BIC is another bank's"),
        ),
        _act("lc.advise", "advise a credit", credit_acts.plan_advise, _CREDIT),
        _act(
            "lc.decline-advice",
            "elect not to advise",
            credit_acts.plan_decline_advice,
            _CREDIT,
            Param("reason", "text", True, "why, sealed for the issuing bank"),
        ),
        _act(
            "lc.amend",
            "amend by an MT707 or restated fields",
            credit_issue.plan_amend,
            _CREDIT,
            Param("mt707", "content", False, "the whole message"),
            _LENIENT,
            _SET,
        ),
        _act(
            "lc.accept-amendment",
            "accept a whole amendment",
            credit_acts.plan_accept_amendment,
            _CREDIT,
            _AMENDMENT,
            _INSTRUCTION,
        ),
        _act(
            "lc.reject-amendment",
            "reject an amendment",
            credit_acts.plan_reject_amendment,
            _CREDIT,
            _AMENDMENT,
            _INSTRUCTION,
            Param("partly", "flag", False, "a part was accepted, which rejects the whole"),
        ),
        _act(
            "lc.present",
            "present documents",
            credit_acts.plan_present,
            _CREDIT,
            Param("amount", "text", True, "amount drawn, such as 1000.00"),
            Param("documents", "files", False, "files to seal, lodge and anchor"),
            Param("anchors", "texts", False, "documents anchored before"),
            Param("at", "text", False, "examining bank; the issuing bank if absent"),
            Param("shipment_date", "date", False, "date of shipment that a document shows"),
            Param("transport_original", "flag", False, "holds an original transport document (UCP 19 to 25)"),
            Param("full_quantity", "flag", False, "shipped in full at an unreduced unit price (UCP 30 c)"),
            Param("corrects", "integer", False, "index of the refused presentation that this one corrects"),
        ),
        _act("lc.forward", "send documents on to the issuing bank", credit_acts.plan_forward, _CREDIT, _PRESENTATION),
        _act("lc.examine", "determine that a presentation complies", credit_acts.plan_examine, _CREDIT, _PRESENTATION),
        _act(
            "lc.refuse",
            "refuse by the single notice",
            credit_acts.plan_refuse,
            _CREDIT,
            _PRESENTATION,
            Param("discrepancies", "texts", True, "each discrepancy"),
            Param("disposal", "text", True, "HOLD, NOTIFY, RETURN or PREVINST"),
            Param("our_reference", "text", False, "field 20 of the MT734"),
            Param("their_reference", "text", False, "field 21 of the MT734"),
        ),
        _act(
            "lc.return-documents", "return refused documents", credit_acts.plan_return_documents, _CREDIT, _PRESENTATION
        ),
        _act(
            "lc.seek-waiver",
            "ask the applicant for a waiver",
            credit_acts.plan_seek_waiver,
            _CREDIT,
            _PRESENTATION,
            Param("request", "text", True, "what the applicant is asked, kept sealed"),
        ),
        _act(
            "lc.waive",
            "take up despite discrepancies",
            credit_acts.plan_waive,
            _CREDIT,
            _PRESENTATION,
            Param("evidence", "text", False, "the applicant's word, kept sealed"),
        ),
        _act(
            "lc.withdraw",
            "take an undecided presentation back",
            credit_acts.plan_withdraw,
            _CREDIT,
            _PRESENTATION,
            Param("bank", "text", True, "from which bank"),
            _INSTRUCTION,
        ),
        _act(
            "lc.honour",
            "honour or negotiate a presentation",
            credit_acts.plan_honour,
            _CREDIT,
            _PRESENTATION,
            Param("maturity", "date", False, "only where the tenor is a text"),
        ),
        _act(
            "lc.settle",
            "record payment of an obligation",
            credit_acts.plan_settle,
            _CREDIT,
            Param("obligation", "integer", True, "index of the obligation, from 0"),
            _PROOF,
            _VALUE_DATE,
        ),
        _act(
            "lc.consent-cancel",
            "the beneficiary consents to cancellation",
            credit_acts.plan_consent_cancel,
            _CREDIT,
            _INSTRUCTION,
        ),
        _act("lc.cancel", "cancel with the beneficiary's consent", credit_acts.plan_cancel, _CREDIT),
        _act("lc.expire", "record expiry", credit_acts.plan_expire, _CREDIT),
        _act("lc.close", "close what is ended and settled", credit_acts.plan_close, _CREDIT),
        _act(
            "invoice.register",
            "register an invoice from UBL 2.1 or CII",
            invoices.plan_register,
            Param("ubl", "content", True, "the whole XML"),
            Param("buyer_bank", "text", False, "member that serves the buyer"),
            Param("seller", "record", False, "customer record: lei, registration, vat, name"),
            Param("buyer", "record", False, "customer record: lei, registration, vat, name"),
            Param("due_date", "date", False, "only where the file states none"),
        ),
        _act(
            "invoice.buyer-accept", "record the buyer's acceptance", invoices.plan_buyer_accept, _INVOICE, _INSTRUCTION
        ),
        _act(
            "invoice.offer",
            "offer finance and hold the invoice",
            invoices.plan_offer,
            _INVOICE,
            Param("rate_bps", "integer", True, "rate a year in basis points"),
            Param("advance_bps", "integer", False, "share advanced; 10000 if absent"),
            Param("fraction_bps", "integer", False, "share of the invoice; 10000 if absent"),
            Param("day_count", "text", False, "ACT_360 or ACT_365_FIXED; by currency if absent"),
            Param("expected_payment_date", "date", False, "due date if absent"),
            Param("hours", "integer", False, "life of the offer; 24 if absent"),
            Param("without_recourse", "flag"),
            Param("without_buyer_acceptance", "flag"),
        ),
        _act(
            "invoice.accept-offer",
            "accept an offer for the seller",
            invoices.plan_accept_offer,
            _INVOICE,
            _OFFER,
            _INSTRUCTION,
        ),
        _act("invoice.disburse", "record disbursement", invoices.plan_disburse, _INVOICE, _OFFER, _PROOF, _VALUE_DATE),
        _act(
            "invoice.repay",
            "record repayment",
            invoices.plan_repay,
            _INVOICE,
            _OFFER,
            Param("amount", "text", True, "amount received"),
            _PROOF,
        ),
        _act("invoice.release", "end an offer without payment", invoices.plan_release, _INVOICE, _OFFER, _PROOF),
        _act(
            "doc.anchor",
            "lodge and anchor a sealed document that an urgent act went out without",
            documents.plan_anchor,
            Param("anchor", "hash", True, "the anchor that the document will have"),
        ),
        _act(
            "doc.submit",
            "seal, lodge and anchor documents",
            documents.plan_submit,
            Param("documents", "files", True, "the files"),
            Param("recipients", "texts", True, "banks that may read them"),
            Param("subject", "address", False, "credit or invoice that they belong to"),
        ),
    )
}
"""Act name -> act."""
