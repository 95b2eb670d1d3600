"""Planning `doc submit`: a document sealed for named banks, lodged, and anchored."""

from __future__ import annotations

from node.desk.acts import Inputs, file_bytes
from node.desk.drafts import ActPlan
from node.errors import DataError
from node.trade.office import Office


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


async def plan_anchor(office: Office, inputs: Inputs) -> ActPlan:
    """Lodge and anchor a sealed document whose act went out without it."""
    sealed = await office.vault.anchor_again(inputs.raw("anchor"))
    assert sealed.call is not None
    return ActPlan(
        act="doc.anchor",
        subject="",
        params=inputs.to_json(),
        calls=(sealed.call,),
        notes={"summary": f"anchor {sealed.name}", "sealed": [sealed.to_json()]},
    )
