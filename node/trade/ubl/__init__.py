"""Invoices from UBL 2.1 and CII, and the canonical tag against duplicate financing."""

from contracts.financing_registry import TagView
from node.trade.ubl.invoice import Invoice, InvoiceParty, parse_invoice
from node.trade.ubl.tags import KeyedTagFunction, TagFunction, TagInput, tag_input, tag_inputs

__all__ = [
    "Invoice",
    "InvoiceParty",
    "KeyedTagFunction",
    "TagFunction",
    "TagInput",
    "TagView",
    "parse_invoice",
    "tag_input",
    "tag_inputs",
]
