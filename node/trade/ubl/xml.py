"""The one way that invoice files become trees: no network, no entities, no document type, bounded size and depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.errors import DataError, LimitExceeded

if TYPE_CHECKING:
    from lxml import etree

XML_BYTES_MAX = 2 * 1024 * 1024
"""Invoices carry embedded attachments; a file beyond this belongs into `doc submit`."""
XML_ELEMENTS_MAX = 50_000


def parse_xml(data: bytes) -> etree._Element:
    """The root element.

    Errors: LimitExceeded for size or number of elements; DataError for malformed XML and for any document type
    declaration (which is where entities come from).
    """
    if len(data) > XML_BYTES_MAX:
        raise LimitExceeded(
            f"the XML file has {len(data)} bytes, at most {XML_BYTES_MAX} are read",
            field="size",
            limit=XML_BYTES_MAX,
            value=len(data),
        )
    from lxml import etree  # when an invoice comes, not at the start of a node

    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise DataError(f"the file is not well-formed XML: {error.msg}", field="xml") from None
    if root.getroottree().docinfo.internalDTD is not None:  # set for an external declaration too
        raise DataError("XML with a document type or entities is refused", field="xml", rule="no DTD")
    count = sum(1 for _ in root.iter())
    if count > XML_ELEMENTS_MAX:
        raise LimitExceeded(
            f"the XML file has {count} elements, at most {XML_ELEMENTS_MAX} are read",
            field="elements",
            limit=XML_ELEMENTS_MAX,
            value=count,
        )
    return root
