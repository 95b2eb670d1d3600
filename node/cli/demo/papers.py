"""The papers of the demo: MT700, MT707, UBL and documents, written to disk with dates that suit the network's clock."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from zoneinfo import ZoneInfo

from node.cli.act_commands import read_file

HONG_KONG = ZoneInfo("Asia/Hong_Kong")
CREDIT_AMOUNT = "125000.00"
"""USD 100,000 at issue and 25,000 by amendment."""
INVOICE_AMOUNT = "88000.50"
SHIPMENT_DAYS, EXPIRY_DAYS, AMENDED_EXPIRY_DAYS, INVOICE_DUE_DAYS = 30, 60, 75, 60
"""Calendar days after the day of issue."""


@dataclass(frozen=True, slots=True)
class Papers:
    """A folder of papers for one deal, issued on ``day`` (a date in Hong Kong)."""

    folder: Path
    day: dt.date
    serial: str

    @property
    def reference(self) -> str:
        """Field 20."""
        return f"HPB-{self.day.year}-{self.serial}"

    def mt700(self) -> Path:
        """The credit, as SWIFT would hand it over."""
        return self._message("mt700.fin")

    def mt707(self) -> Path:
        """Its amendment: 25,000 more, two weeks more, one document more."""
        return self._message("mt707.fin")

    def invoice(self, number: str = "INV-0042") -> Path:
        """A UBL invoice whose due date stands with the means of payment alone."""
        return self._write("invoice.xml", f"invoice-{number.replace(' ', '-')}.xml", invoice_number=number)

    def documents(self, shipped: dt.date, *, signed: bool) -> list[Path]:
        """What the beneficiary presents; unsigned and without a certificate of origin they are discrepant."""
        signature = "SIGNED: M. FICTIVE, DIRECTOR" if signed else ""
        names = ["commercial-invoice.txt", "bill-of-lading.txt", "packing-list.txt"]
        names += ["certificate-of-origin.txt"] if signed else []
        folder = "second" if signed else "first"
        return [
            self._write(name, f"{folder}/{name}", signature=signature, shipped=f"{shipped:%d %b %Y}".upper())
            for name in names
        ]

    def _message(self, name: str) -> Path:
        return self._write(name, name, line_end="\r\n")

    def _write(self, sample: str, name: str, *, line_end: str = "\n", **more: str) -> Path:
        template = Template((resources.files(__package__) / "samples" / sample).read_text("ascii"))
        text = template.substitute(self._dates() | {"reference": self.reference, "serial": self.serial} | more)
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.rstrip("\n").replace("\n", line_end).encode("ascii"))
        return path

    def _dates(self) -> dict[str, str]:
        def swift(days: int) -> str:
            return f"{self.day + dt.timedelta(days=days):%y%m%d}"

        return {
            "issued": swift(0),
            "amended": swift(0),
            "latest_shipment": swift(SHIPMENT_DAYS),
            "expiry": swift(EXPIRY_DAYS),
            "amended_expiry": swift(AMENDED_EXPIRY_DAYS),
            "invoice_issued": (self.day - dt.timedelta(days=3)).isoformat(),
            "invoice_due": (self.day + dt.timedelta(days=INVOICE_DUE_DAYS)).isoformat(),
        }


def day_in_hong_kong(block_time: int) -> dt.date:
    """The civil date of the importer's bank."""
    return dt.datetime.fromtimestamp(block_time, HONG_KONG).date()


def read_as_officer(path: Path) -> dict[str, str]:
    """A file as ``praya lc issue --mt700 FILE`` takes it: the bytes on disk."""
    return read_file(path)
