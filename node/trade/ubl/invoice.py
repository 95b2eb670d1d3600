"""One invoice out of UBL 2.1 or UN/CEFACT CII, in the terms of EN 16931 (BT-n are its business terms)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from node.errors import DataError
from node.trade.currency import exponent_of, to_minor_units
from node.trade.ubl.xml import parse_xml

if TYPE_CHECKING:
    from lxml import etree

UBL_INVOICE = "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
CII_INVOICE = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
_UBL: Mapping[str, str] = {
    "inv": UBL_INVOICE,
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
}
_CII: Mapping[str, str] = {
    "rsm": CII_INVOICE,
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
}
TEXT_MAX = 1_000


@dataclass(frozen=True, slots=True)
class InvoiceParty:
    """Seller or buyer as the file names it: name, LEI, registration (BT-30, BT-47), VAT (BT-31, BT-48), other id."""

    name: str
    lei: str | None
    registration: str | None
    vat: str | None
    other: str | None


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice's core. ``amount`` is the payable amount (BT-115) in minor units; ``due_source`` says where the due
    date was found."""

    syntax: str
    number: str
    issue_date: date
    due_date: date | None
    due_source: str
    type_code: str
    currency: str
    exponent: int
    amount: int
    seller: InvoiceParty
    buyer: InvoiceParty
    order_reference: str | None
    contract_reference: str | None
    preceding_invoice: str | None

    def require_financeable(self, today: date, due_date: date | None = None) -> date:
        """The due date that counts (``due_date``: the officer's, where the file has none).

        Errors: DataError named NO_DUE_DATE, OVERDUE, CREDIT_NOTE or NOTHING_PAYABLE.
        """
        if self.type_code == "381":
            raise DataError("a credit note cannot be financed", field="type", code="CREDIT_NOTE")
        if self.amount == 0:
            raise DataError("nothing is payable on this invoice", field="amount", code="NOTHING_PAYABLE")
        due = self.due_date or due_date
        if due is None:
            raise DataError("the invoice states no due date; give one", field="due_date", code="NO_DUE_DATE")
        if due < today:
            raise DataError(f"the invoice is overdue: due {due}, today is {today}", field="due_date", code="OVERDUE")
        return due

    def to_json(self) -> dict[str, Any]:
        """JSON-able."""
        body: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        for name in ("seller", "buyer"):
            party: InvoiceParty = body[name]
            body[name] = {part: getattr(party, part) for part in party.__slots__}
        for name in ("issue_date", "due_date"):
            body[name] = body[name].isoformat() if body[name] else None
        return body


def parse_invoice(data: bytes) -> Invoice:
    """Read a UBL 2.1 Invoice or a CII CrossIndustryInvoice, whichever the root says.

    Errors: DataError whose field is the element; LimitExceeded for size.
    """
    from lxml import etree  # when an invoice comes, not at the start of a node

    root = parse_xml(data)
    name = etree.QName(root)
    if (name.namespace, name.localname) == (UBL_INVOICE, "Invoice"):
        return _from_ubl(root)
    if (name.namespace, name.localname) == (CII_INVOICE, "CrossIndustryInvoice"):
        return _from_cii(root)
    raise DataError(f"{name.localname} is no UBL 2.1 Invoice and no CII invoice", field="root")


class _Reader:
    """XPath with names, for one syntax."""

    def __init__(self, root: etree._Element, namespaces: Mapping[str, str]) -> None:
        self._root = root
        self._namespaces = dict(namespaces)

    def text(self, path: str) -> str | None:
        """Text of the first element on the path, trimmed; None where absent or empty."""
        found = self._root.find(path, self._namespaces)
        value = "" if found is None or found.text is None else found.text.strip()
        if len(value) > TEXT_MAX:
            raise DataError(f"{path} has more than {TEXT_MAX} characters", field=_last(path))
        return value or None

    def need(self, path: str) -> str:
        value = self.text(path)
        if value is None:
            raise DataError(f"{path} is missing", field=_last(path))
        return value

    def attribute(self, path: str, name: str) -> str | None:
        found = self._root.find(path, self._namespaces)
        value = None if found is None else found.get(name)
        return value if value is None else str(value)


def _last(path: str) -> str:
    return path.rsplit("/", 1)[-1].split(":")[-1].split("[")[0]


def _from_ubl(root: etree._Element) -> Invoice:
    read = _Reader(root, _UBL)
    currency = read.need("cbc:DocumentCurrencyCode")
    payable = "cac:LegalMonetaryTotal/cbc:PayableAmount"
    stated = read.attribute(payable, "currencyID")
    if stated is not None and stated != currency:
        raise DataError(f"PayableAmount is in {stated}, the invoice in {currency}", field="PayableAmount")
    due, source = _iso(read.text("cbc:DueDate"), "DueDate"), "DueDate"
    if due is None:  # UBL 2.1 keeps it with the means of payment as well
        due, source = (
            _iso(read.text("cac:PaymentMeans/cbc:PaymentDueDate"), "PaymentDueDate"),
            "PaymentMeans/PaymentDueDate",
        )
    issued = _iso(read.need("cbc:IssueDate"), "IssueDate")
    assert issued is not None
    return Invoice(
        syntax="UBL",
        number=read.need("cbc:ID"),
        issue_date=issued,
        due_date=due,
        due_source=source if due else "none",
        type_code=read.text("cbc:InvoiceTypeCode") or "380",
        currency=currency,
        exponent=exponent_of(currency),
        amount=_amount(read.need(payable), currency, "PayableAmount"),
        seller=_ubl_party(read, "cac:AccountingSupplierParty/cac:Party"),
        buyer=_ubl_party(read, "cac:AccountingCustomerParty/cac:Party"),
        order_reference=read.text("cac:OrderReference/cbc:ID"),
        contract_reference=read.text("cac:ContractDocumentReference/cbc:ID"),
        preceding_invoice=read.text("cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID"),
    )


def _ubl_party(read: _Reader, path: str) -> InvoiceParty:
    registration = f"{path}/cac:PartyLegalEntity/cbc:CompanyID"
    is_lei = read.attribute(registration, "schemeID") in ("LEI", "0199")
    name = read.text(f"{path}/cac:PartyLegalEntity/cbc:RegistrationName") or read.text(f"{path}/cac:PartyName/cbc:Name")
    if name is None:
        raise DataError(f"{path} has no name", field="RegistrationName")
    return InvoiceParty(
        name=name,
        lei=read.text(registration) if is_lei else None,
        registration=None if is_lei else read.text(registration),
        vat=read.text(f"{path}/cac:PartyTaxScheme/cbc:CompanyID"),
        other=read.text(f"{path}/cac:PartyIdentification/cbc:ID"),
    )


def _from_cii(root: etree._Element) -> Invoice:
    read = _Reader(root, _CII)
    deal = "rsm:SupplyChainTradeTransaction/"
    agreement = f"{deal}ram:ApplicableHeaderTradeAgreement/"
    settlement = f"{deal}ram:ApplicableHeaderTradeSettlement/"
    currency = read.need(f"{settlement}ram:InvoiceCurrencyCode")
    total = f"{settlement}ram:SpecifiedTradeSettlementHeaderMonetarySummation/ram:DuePayableAmount"
    due = _basic(read.text(f"{settlement}ram:SpecifiedTradePaymentTerms/ram:DueDateDateTime/udt:DateTimeString"))
    issued = _basic(read.need("rsm:ExchangedDocument/ram:IssueDateTime/udt:DateTimeString"))
    assert issued is not None
    return Invoice(
        syntax="CII",
        number=read.need("rsm:ExchangedDocument/ram:ID"),
        issue_date=issued,
        due_date=due,
        due_source="DueDateDateTime" if due else "none",
        type_code=read.text("rsm:ExchangedDocument/ram:TypeCode") or "380",
        currency=currency,
        exponent=exponent_of(currency),
        amount=_amount(read.need(total), currency, "DuePayableAmount"),
        seller=_cii_party(read, f"{agreement}ram:SellerTradeParty"),
        buyer=_cii_party(read, f"{agreement}ram:BuyerTradeParty"),
        order_reference=read.text(f"{agreement}ram:BuyerOrderReferencedDocument/ram:IssuerAssignedID"),
        contract_reference=read.text(f"{agreement}ram:ContractReferencedDocument/ram:IssuerAssignedID"),
        preceding_invoice=read.text(f"{settlement}ram:InvoiceReferencedDocument/ram:IssuerAssignedID"),
    )


def _cii_party(read: _Reader, path: str) -> InvoiceParty:
    registration = f"{path}/ram:SpecifiedLegalOrganization/ram:ID"
    is_lei = read.attribute(registration, "schemeID") in ("LEI", "0199")
    return InvoiceParty(
        name=read.need(f"{path}/ram:Name"),
        lei=read.text(registration) if is_lei else None,
        registration=None if is_lei else read.text(registration),
        vat=read.text(f"{path}/ram:SpecifiedTaxRegistration/ram:ID[@schemeID='VA']"),
        other=read.text(f"{path}/ram:ID"),
    )


def _amount(text: str, currency: str, field: str) -> int:
    if text.startswith("-"):
        raise DataError(f"{field} {text} is negative", field=field)
    if "," in text:
        raise DataError(f"{field} {text!r} is not a decimal number of XML", field=field)
    try:
        return to_minor_units(text, currency)
    except DataError as error:
        raise DataError(f"{field}: {error.message}", field=field, **error.details) from None


def _iso(text: str | None, field: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text[:10])  # a time zone may follow (xsd:date)
    except ValueError:
        raise DataError(f"{field} {text!r} is not a date", field=field) from None


def _basic(text: str | None) -> date | None:
    """Format 102 of UNTDID 2379: YYYYMMDD."""
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007  (a date, no instant)
    except ValueError:
        raise DataError(f"{text!r} is not a date YYYYMMDD", field="DateTimeString") from None
