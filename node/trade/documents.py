"""Planning `doc submit`: a document sealed for named banks, lodged, and anchored."""

from __future__ import annotations

from node.errors import DataError
from node.trade.acts import Inputs
from node.trade.drafts import ActPlan
from node.trade.office import Office
from node.trade.vault import file_bytes


async def plan_submit(office: Office, inputs: Inputs) -> ActPlan:
    """Seal files for the recipients; the draft anchors them."""
    recipients = [office.bank(name) for name in inputs.items("recipients")]
    if not recipients:
        raise DataError("a document is sealed for at least one bank", field="recipients")
    subject = inputs.text("subject") or ""
    sealed = [
        await office.vault.seal(
            file_bytes(entry),
            kind="document",
            name=entry["name"],
            media_type=entry.get("media_type") or "application/octet-stream",
            recipients=recipients,
            subject=subject,
        )
        for entry in inputs.items("documents")
    ]
    names = ", ".join(bank.name for bank in recipients)
    return ActPlan(
        act="doc.submit",
        subject=subject,
        params=inputs.to_json(),
        calls=tuple(each.call for each in sealed if each.call is not None),
        notes={"summary": f"{len(sealed)} documents for {names}", "sealed": [each.to_json() for each in sealed]},
    )
