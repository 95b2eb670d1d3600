from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.p2p.parties import Consortium


@pytest.fixture
async def consortium(tmp_path: Path) -> AsyncIterator[Consortium]:
    """Members on loopback; whatever a test started is stopped after it."""
    made = Consortium(tmp_path)
    yield made
    await made.stop()
