"""One way to say which error a call must end with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.contracts.chain import Reverted


@contextmanager
def reverts(name: str, **args: Any) -> Iterator[None]:
    """The block must revert with this error; of its arguments, those given must be equal."""
    with pytest.raises(Reverted) as caught:
        yield
    found = caught.value.revert
    assert found.name == name, str(found)
    assert {k: found.args[k] for k in args} == args
