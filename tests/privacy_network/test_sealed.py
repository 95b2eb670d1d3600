"""A deal between two of four banks, with documents: what the others hold, receive and may ask for; and how documents
outlive damage and absence."""

from __future__ import annotations

import base64
import json
import os
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plyvel
import pytest

from tests.api.door import Officers
from tests.api.samples import PARTIES, credit_message, document
from tests.network.consortium import Consortium, praya, wait_until

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("privacy-network")]

TAP = Path(__file__).parent / "tap"
ISSUER, PRESENTER, OUTSIDERS = "harbour", "lioncity", ("thames", "huangpu")
REFERENCE = "ZZREF-88-PRIVATE"
DISCREPANCIES = ["ZZDRAFT NOT SIGNED BY DRAWER", "ZZPORT NAMED DIFFERS"]
CONTENT = b"%PDF-1.7 ZZINVOICE FOR KILN 4711 " + bytes(range(256)) * 8
INSTRUCTION = "ZZWE ACCEPT THE AMENDMENT IN FULL, SIGNED Z. EXAMPLE"
CLEAR = [REFERENCE, *PARTIES.values(), *DISCREPANCIES, "zzinvoice-4711.pdf", INSTRUCTION]
SLICES = [CONTENT[5:37], CONTENT[60:92], CONTENT[-40:]]


@dataclass
class Deal:
    """A credit in mid-life, and where it runs."""

    officers: Officers
    credit: str
    anchor: str

    @property
    def banks(self) -> Consortium:
        return self.officers.banks

    def folder(self, name: str) -> Path:
        return next(Path(self.banks.directory).glob(f"*/{name}"))


@pytest.fixture(scope="module")
def deal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deal]:
    """Issued, amended, presented with a file and refused, while the outsiders' received frames are written down."""
    directory = tmp_path_factory.mktemp("private")
    environment = {"TAP_FRAMES": "1", "PYTHONPATH": os.pathsep.join([str(TAP), os.environ.get("PYTHONPATH", "")])}
    up = praya("network", "up", "--dir", str(directory), "--observers", "1", "--json", env=environment)
    banks = Consortium(directory, json.loads(up.stdout))
    try:
        yield _made(banks)
    finally:
        banks.down()


def _made(banks: Consortium) -> Deal:
    officers = Officers(banks)
    credit = officers.do(ISSUER, "lc.issue", mt700=credit_message(REFERENCE))["sent"][-1]["created"]
    officers.do(PRESENTER, "lc.advise", credit=credit)
    officers.do(ISSUER, "lc.amend", credit=credit, set=[["32B", "USD5000,00"]])
    officers.do(PRESENTER, "lc.accept-amendment", credit=credit, amendment=0, instruction=INSTRUCTION)
    files = [document("zzinvoice-4711.pdf", CONTENT)]
    officers.do(PRESENTER, "lc.present", credit=credit, amount="1000.00", documents=files)
    officers.do(ISSUER, "lc.refuse", credit=credit, presentation=0, discrepancies=DISCREPANCIES, disposal="HOLD")
    documents = officers.at(PRESENTER, "maker").get("/documents").json
    anchor = next(row["anchor"] for row in documents if row["name"] == "zzinvoice-4711.pdf")
    return Deal(officers, credit, anchor)


def test_the_parties_read_what_is_theirs(deal: Deal) -> None:
    """Each party sees the terms, the notice and the file; the recipient's copy is the sender's, byte for byte."""
    for name in (ISSUER, PRESENTER):
        view = deal.officers.at(name, "maker").get(f"/credits/{deal.credit}").json
        assert view["sealed_terms"]["terms"]["reference"] == REFERENCE
        assert view["discrepancies"]["0"]["discrepancies"] == DISCREPANCIES
    reader = deal.officers.at(ISSUER, "viewer")
    fetched = reader.get(f"/documents/{deal.anchor}")
    assert (fetched.status, fetched.body) == (200, CONTENT)
    assert fetched.headers["Content-Disposition"] == 'attachment; filename="zzinvoice-4711.pdf"'
    assert "sandbox" in fetched.headers["Content-Security-Policy"]
    verified = reader.ask("POST", f"/documents/{deal.anchor}/verification", raw=CONTENT).json
    assert (verified["commitment_holds"], verified["file_matches"]) == (True, True)
    other = reader.ask("POST", f"/documents/{deal.anchor}/verification", raw=CONTENT + b" ").json
    assert (other["commitment_holds"], other["file_matches"]) == (True, False)


@pytest.mark.parametrize("name", OUTSIDERS)
def test_an_outsider_neither_reads_nor_lists(deal: Deal, name: str) -> None:
    """A bank that is no party sees the public facts, no sealed text, no document, and is refused the file."""
    for user in ("maker", "checker", "viewer"):
        door = deal.officers.at(name, user)
        view = door.get(f"/credits/{deal.credit}").json
        assert (view["sealed_terms"], view["current_mt700"], view["discrepancies"]) == (None, None, {})
        assert door.get("/documents").json == []
        assert door.get(f"/documents?subject={deal.credit}").json == []
        assert door.get("/credits").json == []
        refused = door.get(f"/documents/{deal.anchor}")
        assert (refused.status, refused.field("code")) == (403, "NOT_A_RECIPIENT")
        assert door.get(f"/documents/{deal.anchor}/verification").status == 403
        assert door.ask("POST", f"/documents/{deal.anchor}/verification", raw=CONTENT).status == 403
        assert door.get(f"/credits/{deal.credit}/presentations/0/mt734").status == 422
        assert not [each for each in _clear_bytes() if each in json.dumps(view).encode()]
    for path in ("/drafts", "/applications"):
        assert deal.officers.at(name, "checker").get(path).json == []


def test_the_observer_neither_reads_nor_lists(deal: Deal) -> None:
    """The auditor's node holds the chain and no document; the banks serve it none."""
    door = deal.officers.at("auditor", "viewer")
    assert door.get("/documents").json == []
    assert door.get(f"/documents/{deal.anchor}").status == 403
    view = door.get(f"/credits/{deal.credit}").json
    assert (view["sealed_terms"], view["discrepancies"]) == (None, {})
    assert list((deal.folder("auditor") / "documents").rglob("*")) == []


def test_doc_fetch_of_an_outsider_is_refused(deal: Deal, tmp_path: Path) -> None:
    """The command line ends with 77 and writes no file; the recipient's writes the document."""
    environment = {"PRAYA_SESSION": str(tmp_path / "sessions.json")}
    for name, code in (("thames", 77), (ISSUER, 0)):
        directory = str(deal.banks.directory)
        praya("login", "--dir", directory, "--bank", name, "--user", "viewer", env=environment)
        target = tmp_path / name
        fetch = praya("doc", "fetch", deal.anchor, "--to", str(target), check=False, env=environment)
        assert (fetch.returncode, target.exists()) == (code, code == 0), fetch.stderr
    assert (tmp_path / ISSUER).read_bytes() == CONTENT


def test_the_search_finds_what_is_there(deal: Deal) -> None:
    """The same search finds every clear term at the parties: it would find a leak."""
    database = _sqlite_values(deal.folder(ISSUER) / "praya.sqlite")
    assert REFERENCE.encode() in database
    assert DISCREPANCIES[0].encode() in database
    for encoded in (
        REFERENCE.encode(),
        base64.b64encode(b"xx" + REFERENCE.encode()),
        REFERENCE.encode().hex().encode(),
    ):
        with pytest.raises(AssertionError, match="clear"):
            _assert_nothing_clear(b"before " + encoded + b" after", "a sample")


def test_a_damaged_ciphertext_is_found_and_served_by_another(deal: Deal) -> None:
    """The recipient's own copy with a flipped byte is noticed and fetched anew; with the sender's copy damaged too, the
    third custodian serves."""
    reader = deal.officers.at(ISSUER, "viewer")
    digest = _ciphertext_hash(deal)
    holders = {name: path for name in deal.banks.names if (path := _kept(deal, name, digest)) is not None}
    assert {ISSUER, PRESENTER} < holders.keys()
    sound = holders[ISSUER].read_bytes()
    _flip(holders[ISSUER])
    fetched = reader.get(f"/documents/{deal.anchor}")
    assert (fetched.status, fetched.body) == (200, CONTENT)
    assert holders[ISSUER].read_bytes() == sound
    _flip(holders[ISSUER])
    _flip(holders[PRESENTER])
    fetched = reader.get(f"/documents/{deal.anchor}")
    assert (fetched.status, fetched.body) == (200, CONTENT)
    assert holders[ISSUER].read_bytes() == sound
    again = deal.officers.at(PRESENTER, "viewer").get(f"/documents/{deal.anchor}")
    assert (again.status, again.body) == (200, CONTENT)


def test_with_every_copy_damaged_nothing_false_is_served(deal: Deal) -> None:
    """Where no sound copy is left the answer is that nobody holds it; a sound copy that returns is served."""
    digest = _ciphertext_hash(deal)
    holders = [path for name in deal.banks.names if (path := _kept(deal, name, digest)) is not None]
    kept = {path: path.read_bytes() for path in holders}
    for path in holders:
        _flip(path)
    refused = deal.officers.at(ISSUER, "viewer").get(f"/documents/{deal.anchor}")
    assert (refused.status, refused.field("field")) == (503, "document")
    for path, content in kept.items():
        path.write_bytes(content)
    assert deal.officers.at(ISSUER, "viewer").get(f"/documents/{deal.anchor}").body == CONTENT


def test_a_custodian_that_is_away_blocks_nobody(deal: Deal) -> None:
    """With any one bank down, f+1 others take a document into custody, it is anchored, and the recipient reads it."""
    for away in ("huangpu", PRESENTER):
        deal.banks.stop(away, kill=True)
        try:
            recipient = "HPBKHKH0" if away == PRESENTER else "LCMBSGS0"
            sender = "thames" if away == PRESENTER else ISSUER
            content = f"ZZ while {away} is away".encode()
            done = deal.officers.do(
                sender, "doc.submit", documents=[document(f"zz-{away}.txt", content)], recipients=[recipient]
            )
            assert done["state"] == "final"
            reader = deal.officers.at(ISSUER if away == PRESENTER else PRESENTER, "viewer")
            listed = deal.officers.at(sender, "viewer").get("/documents").json
            anchor = next(row["anchor"] for row in listed if row["name"] == f"zz-{away}.txt")
            assert reader.get(f"/documents/{anchor}").body == content
        finally:
            deal.banks.start(away)


def test_nothing_clear_is_on_an_outsiders_disk_or_wire(deal: Deal) -> None:
    """Every file of the folder, every record of LevelDB and SQLite, and every frame received are without each name,
    reference, discrepancy, file name and file content, in UTF-8, UTF-16, Base64 and hex. It stops them: last test."""
    names = (*OUTSIDERS, "auditor")
    height = deal.banks.height(ISSUER)
    for name in names:
        wait_until(lambda name=name: deal.banks.height(name) >= height, what=f"{name} is at the head")
    for name in names:
        deal.banks.stop(name)
    for name in names:
        folder = deal.folder(name)
        received = folder.with_suffix(".tap").read_bytes()
        assert len(received) > 10_000
        _assert_nothing_clear(received, f"{name}'s received frames")
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert len(files) > 10
        for path in files:
            _assert_nothing_clear(path.read_bytes(), str(path))
        records = _leveldb_records(folder / "chain")
        assert len(records) > 100_000
        _assert_nothing_clear(records, f"{name}'s LevelDB")
        _assert_nothing_clear(_sqlite_values(folder / "praya.sqlite"), f"{name}'s SQLite")


def _ciphertext_hash(deal: Deal) -> str:
    rows = deal.officers.at(PRESENTER, "viewer").get("/documents").json
    return str(next(row["ciphertext_hash"] for row in rows if row["anchor"] == deal.anchor)).removeprefix("0x")


def _kept(deal: Deal, name: str, digest: str) -> Path | None:
    return next((deal.folder(name) / "documents").rglob(digest), None)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _clear_bytes() -> list[bytes]:
    return [term.encode() for term in CLEAR] + SLICES


def _spellings(term: bytes) -> Iterator[bytes]:
    """A term as it would look in the usual encodings; Base64 at each of its three alignments."""
    yield term
    yield term.hex().encode()
    yield term.hex().upper().encode()
    yield term.decode("latin-1").encode("utf-16-le")
    yield json.dumps(term.decode("latin-1"))[1:-1].encode()
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + term)
        whole = encoded[4 if shift else 0 : len(encoded) - 4]
        yield whole
        yield whole.replace(b"+", b"-").replace(b"/", b"_")


PATTERN = re.compile(b"|".join(sorted({re.escape(each) for term in _clear_bytes() for each in _spellings(term)})))


def _assert_nothing_clear(content: bytes, where: str) -> None:
    found = PATTERN.search(content)
    assert found is None, f"clear: {found[0]!r} in {where}" if found else ""


def _leveldb_records(path: Path) -> bytes:
    database = plyvel.DB(str(path), create_if_missing=False)
    try:
        return b"\x00".join(part for record in database for part in record)
    finally:
        database.close()


def _sqlite_values(path: Path) -> bytes:
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows: list[Any] = [
            value for table in tables for row in database.execute(f'SELECT * FROM "{table}"') for value in row
        ]
    finally:
        database.close()
    return b"\x00".join(value if isinstance(value, bytes) else str(value).encode() for value in rows)
