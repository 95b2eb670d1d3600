"""Drafts: what may become one."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.desk.database import Database
from node.desk.drafts import APPROVALS_PLACEHOLDER, ActPlan, Call, Drafts
from node.errors import DataError


def test_an_input_that_holds_the_approvals_place_is_refused(tmp_path: Path) -> None:
    """The value that stands for the approvals' hash, brought in by a file, would be replaced with it: no draft."""
    database = Database.open(tmp_path / "desk.sqlite")
    drafts = Drafts(database, chain_id=1, sender=b"\x01" * 20)
    for data in (b"", APPROVALS_PLACEHOLDER * 2):
        plan = ActPlan("act", "", {}, (Call("Contract", "function", b"\x02" * 20, data),), {})
        with pytest.raises(DataError, match="approvals"):
            drafts.create(plan, maker="maker", now_s=0)
    assert drafts.list() == []
    database.close()
