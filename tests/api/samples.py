"""Fictitious messages between the sample banks, with dates around today."""

from __future__ import annotations

import base64
import datetime as dt

PARTIES = {
    "applicant": "ZZKOWLOON TOY IMPORTS LTD",
    "beneficiary": "ZZMERLION EXPORTS PTE",
    "goods": "ZZCARTONS OF WOODEN TOYS",
    "requirement": "ZZCERTIFICATE OF ORIGIN FORM K",
}
"""Words that no other text holds, so that a search for them cannot hit by chance."""


def swift_date(day: dt.date) -> str:
    """YYMMDD."""
    return day.strftime("%y%m%d")


def credit_message(
    reference: str,
    *,
    sender: str = "HPBKHKH0",
    receiver: str = "LCMBSGS0",
    amount: str = "USD100000,00",
    today: dt.date | None = None,
    replace: tuple[str, str] | None = None,
) -> str:
    """An MT700 at sight, at the issuing bank, valid for ninety days. ``replace`` changes a piece of its text."""
    day = today or dt.datetime.now(dt.UTC).date()
    fields = f""":27:1/1
:40A:IRREVOCABLE
:20:{reference}
:31C:{swift_date(day)}
:40E:UCP LATEST VERSION
:31D:{swift_date(day + dt.timedelta(days=90))}SINGAPORE
:50:{PARTIES["applicant"]}
12 EXAMPLE ROAD
HONG KONG
:59:{PARTIES["beneficiary"]}
1 EXAMPLE PLACE
SINGAPORE
:32B:{amount}
:41A:{sender}
BY PAYMENT
:43P:ALLOWED
:43T:ALLOWED
:44E:SINGAPORE
:44F:HONG KONG
:44C:{swift_date(day + dt.timedelta(days=60))}
:45A:+1,000 {PARTIES["goods"]}
:46A:+SIGNED COMMERCIAL INVOICE
+{PARTIES["requirement"]}
:48:21
:49:WITHOUT
"""
    if replace is not None:
        assert replace[0] in fields
        fields = fields.replace(*replace)
    text = f"{{1:F01{sender}AXXX0000000000}}{{2:I700{receiver}XXXXN}}{{4:\n{fields}-}}"
    return text.replace("\n", "\r\n")


def document(name: str, content: bytes, media_type: str = "application/pdf") -> dict[str, str]:
    """A file as the REST door takes it."""
    return {"name": name, "media_type": media_type, "content_base64": base64.b64encode(content).decode()}
