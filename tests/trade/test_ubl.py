"""Invoices: what is payable, when it is due, what is refused, and one tag whatever the syntax."""

from __future__ import annotations

from datetime import date

import pytest

from node.errors import DataError, LimitExceeded
from node.trade.ubl import KeyedTagFunction, TagView, parse_invoice, tag_input, tag_inputs
from node.trade.ubl.xml import XML_BYTES_MAX
from tests.trade.samples import CII_TEMPLATE, ubl

TODAY = date(2026, 3, 5)
MEANS = "<cac:PaymentMeans><cbc:PaymentDueDate>2026-05-20</cbc:PaymentDueDate></cac:PaymentMeans>"


def test_the_face_is_the_payable_amount() -> None:
    """Not the total with tax: prepayments and rounding are behind it."""
    invoice = parse_invoice(ubl())
    assert (invoice.amount, invoice.currency, invoice.exponent) == (8_800_050, "USD", 2)
    assert (invoice.number, invoice.due_date, invoice.due_source) == ("INV-0042", date(2026, 6, 1), "DueDate")
    assert invoice.require_financeable(TODAY) == date(2026, 6, 1)


def test_the_due_date_falls_back_to_the_means_of_payment() -> None:
    """UBL 2.1 may carry it there; without either, the officer must give one."""
    invoice = parse_invoice(ubl(due="", means=MEANS))
    assert (invoice.due_date, invoice.due_source) == (date(2026, 5, 20), "PaymentMeans/PaymentDueDate")
    without = parse_invoice(ubl(due=""))
    with pytest.raises(DataError) as refused:
        without.require_financeable(TODAY)
    assert refused.value.details["code"] == "NO_DUE_DATE"
    assert without.require_financeable(TODAY, date(2026, 7, 1)) == date(2026, 7, 1)


def test_an_overdue_invoice_is_refused_by_name() -> None:
    """Due today is not overdue; due yesterday is."""
    invoice = parse_invoice(ubl())
    invoice.require_financeable(date(2026, 6, 1))
    with pytest.raises(DataError, match="overdue") as refused:
        invoice.require_financeable(date(2026, 6, 2))
    assert refused.value.details["code"] == "OVERDUE"


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"not xml", "xml"),
        (b"<Invoice/>", "root"),
        (ubl(amount="10.005"), "PayableAmount"),
        (ubl(amount="100.5", currency="JPY"), "PayableAmount"),
        (ubl(amount="-5"), "PayableAmount"),
        (ubl(amount="1,000"), "PayableAmount"),
        (ubl(currency="QQQ"), "currency"),
        (ubl(due="<cbc:DueDate>soon</cbc:DueDate>"), "DueDate"),
        (ubl().replace(b"<cbc:ID>INV-0042</cbc:ID>", b""), "ID"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]>' + ubl(number="&x;").partition(b"?>")[2], "xml"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/hostname">' + ubl().partition(b"?>")[2], "xml"),
    ],
)
def test_bad_files_are_refused_with_the_field(data: bytes, field: str) -> None:
    """Malformed XML, entities, wrong amounts and missing elements each end as DataError."""
    with pytest.raises(DataError) as refused:
        parse_invoice(data)
    assert refused.value.field == field


def test_entity_bombs_do_not_expand_and_size_is_bounded() -> None:
    """Nested entities are refused before they grow; a file over the limit is refused by name."""
    bomb = b'<!DOCTYPE b [<!ENTITY a "' + b"x" * 1000 + b'">' + b"".join(
        b'<!ENTITY a%d "%s">' % (n, (b"&a%d;" % (n - 1) if n else b"&a;") * 10) for n in range(9)
    ) + b"]><b>&a8;</b>"  # fmt: skip
    with pytest.raises(DataError):
        parse_invoice(bomb)
    with pytest.raises(LimitExceeded) as refused:
        parse_invoice(b" " * (XML_BYTES_MAX + 1))
    assert refused.value.details["limit"] == XML_BYTES_MAX


def test_one_invoice_in_two_syntaxes_has_one_tag() -> None:
    """Spelling of number, amount and registration differ; the tag does not."""
    left, right = parse_invoice(ubl()), parse_invoice(CII_TEMPLATE.encode())
    assert [view.encoded() for view in tag_inputs(left)] == [view.encoded() for view in tag_inputs(right)]
    tags = KeyedTagFunction(b"k" * 32)
    assert tags.tag(tag_input(left)) == tags.tag(tag_input(right))
    assert tags.tag(tag_input(left)) != KeyedTagFunction(b"l" * 32).tag(tag_input(left))


def test_what_differs_has_another_exact_tag_and_a_shared_warning() -> None:
    """A changed amount gives another exact tag, while the view without amount still meets."""
    one, other = tag_inputs(parse_invoice(ubl())), tag_inputs(parse_invoice(ubl(amount="88440.50")))
    by_view = {left.view: left.encoded() == right.encoded() for left, right in zip(one, other, strict=True)}
    assert by_view[TagView.EXACT] is False
    assert by_view[TagView.NO_AMOUNT] is True
    assert by_view[TagView.PURCHASE_ORDER] is True


def test_the_banks_customer_record_outranks_the_file() -> None:
    """Two files that name the seller differently meet through the customer's LEI."""
    record = {"lei": "5299000FICTITIOUS000", "name": "whatever"}
    left = tag_input(parse_invoice(ubl()), seller=record)
    right = tag_input(parse_invoice(ubl().replace(b"91-0000-FICT", b"OTHER")), seller=record)
    assert left.encoded() == right.encoded()
    assert left.encoded() != tag_input(parse_invoice(ubl())).encoded()
