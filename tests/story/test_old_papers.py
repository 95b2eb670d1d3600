"""Papers of 2003, 2009 and 2015 taken whole, by a network whose test clock stands at their dates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.network.consortium import Consortium, praya
from tests.story.old_papers import CII_OF_2015, MT700_OF_2003, UBL_OF_2009, UBL_OF_2015

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("old-papers")]


class Officers:
    """Makers and checkers of two banks at the command line."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.env = {"PRAYA_SESSION": str(directory / "sessions.json")}
        for bank in ("harbour", "lioncity"):
            for user in ("maker", "checker"):
                self.run("login", "--dir", str(directory), "--bank", bank, "--user", user)

    def run(self, *arguments: str) -> str:
        return praya(*arguments, env=self.env).stdout

    def refused(self, *arguments: str) -> str:
        result = praya(*arguments, check=False, env=self.env)
        assert result.returncode != 0, result.stdout
        return result.stderr

    def act(self, bank: str, *arguments: str) -> dict[str, Any]:
        """Drafted by the maker, approved by the checker."""
        draft = json.loads(self.run(*arguments, "--as", f"maker@{bank}", "--json"))
        outcome = json.loads(self.run("approve", draft["id"], "--as", f"checker@{bank}", "--json"))
        assert outcome["state"] == "final"
        return dict(outcome)

    def stand_at(self, day: str) -> None:
        self.run("network", "advance", "--to", f"{day}T02:00:00", "--dir", str(self.directory))


@pytest.fixture
def officers(tmp_path: Path) -> Iterator[Officers]:
    """Two banks on 17 May 2003."""
    consortium = Consortium.up(tmp_path / "net", "--banks", "2", "--test-clock", "2003-05-17T02:00:00")
    try:
        yield Officers(consortium.directory)
    finally:
        consortium.down()


def test_papers_of_other_years(officers: Officers, tmp_path: Path) -> None:
    """A credit of 2003 is shown with each deviation, and issued only with restated rules and dates; invoices of 2009
    and 2015 are registered at their dates; one invoice in two syntaxes has one tag."""
    files = {
        "credit.fin": MT700_OF_2003.encode(),
        "2009.xml": UBL_OF_2009.encode("iso-8859-1"),
        "2015-ubl.xml": UBL_OF_2015.encode(),
        "2015-cii.xml": CII_OF_2015.encode(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    credit = str(tmp_path / "credit.fin")
    as_maker = ("--as", "maker@harbour")

    assert "CRLF" in officers.refused("lc", "read", "--mt700", credit, *as_maker)
    read = json.loads(officers.run("lc", "read", "--mt700", credit, "--lenient", *as_maker, "--json"))
    assert {each["code"] for each in read["terms"]["deviations"]} == {"E_LINE_ENDING", "E_FORMAT", "E_58A_MISSING"}
    assert {each["code"] for each in read["obstacles"]} == {
        *("RULES_NOT_UCP600", "SENDER_NOT_OWN", "ADVISING_NOT_MEMBER")
    }
    issue = ("lc", "issue", "--mt700", credit, "--lenient")
    assert "on-behalf" in officers.refused(*issue, *as_maker)
    issue += ("--on-behalf", "--advising", "lioncity")
    assert "UCP 500" in officers.refused(*issue, *as_maker)
    assert "31D" in officers.refused(*issue, "--set", "40E=UCP LATEST VERSION", *as_maker)
    restated = ("--set", "40E=UCP LATEST VERSION", "--set", "31D=030915AMSTERDAM")
    issued = officers.act("harbour", *issue, *restated)
    assert [each["tag"] for each in issued["notes"]["overrides"]] == ["40E", "31D"]
    assert issued["notes"]["terms"]["confirmation_answer"] == "not added"
    assert {"48", "49", "57A"} <= {each["tag"] for each in issued["notes"]["unenforced"]}
    shown = json.loads(officers.run("lc", "show", issued["sent"][-1]["created"], *as_maker, "--json"))
    assert (shown["life"], shown["currency"], shown["amount"]) == ("ISSUED", "EUR", "100000.00")

    officers.stand_at("2009-12-16")
    invoice = officers.act("lioncity", "invoice", "register", "--ubl", str(tmp_path / "2009.xml"))
    assert (invoice["notes"]["invoice"]["amount"], invoice["notes"]["due_date"]) == (72_900, "2009-12-31")
    assert invoice["notes"]["invoice"]["seller"]["name"] == "Müster Aktiengesellschaft (fiktiv)"

    officers.stand_at("2015-01-09")
    overdue = officers.refused("invoice", "register", "--ubl", str(tmp_path / "2009.xml"), "--as", "maker@lioncity")
    assert "overdue" in overdue
    first = officers.act("harbour", "invoice", "register", "--ubl", str(tmp_path / "2015-ubl.xml"))
    second = officers.act("lioncity", "invoice", "register", "--ubl", str(tmp_path / "2015-cii.xml"))
    assert second["notes"]["registry"]["registrations"] == 1
    offer = ("--rate-bps", "500", "--without-buyer-acceptance")
    officers.act("harbour", "invoice", "offer", first["sent"][-1]["created"], *offer)
    copy = second["sent"][-1]["created"]
    assert "TagTaken" in officers.refused("invoice", "offer", copy, *offer, "--as", "maker@lioncity")
