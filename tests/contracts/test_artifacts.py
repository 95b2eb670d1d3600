"""The committed artefacts are what the sources compile to, fit the chain's limits and stand at the fixed addresses."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from contracts import addresses, artifacts

ROOT = Path(__file__).resolve().parents[2]
COMPILER = ROOT / "contracts" / "compiler"
RUNTIME_SIZE_MAX = 24_576  # EIP-170
INSTALLED = (COMPILER / "node_modules" / "solc").is_dir() and shutil.which("node") is not None


@pytest.mark.skipif(
    not INSTALLED,
    reason="no Solidity compiler here: scripts/compile-contracts --install puts it into contracts/compiler",
)
def test_recompiling_gives_the_committed_bytes() -> None:
    """Every artefact, byte for byte."""
    done = subprocess.run(
        [str(ROOT / "scripts" / "compile-contracts"), "--check"],
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", artifacts.names())
def test_runtime_code_fits_and_is_complete(name: str) -> None:
    """Under 24 KiB, without a constructor's traces: nothing to link, no immutables."""
    code = artifacts.load(name).runtime_code
    assert 0 < len(code) <= RUNTIME_SIZE_MAX


def test_every_system_contract_has_an_artefact() -> None:
    """And no two stand at one address."""
    assert set(addresses.SYSTEM_CONTRACTS) <= set(artifacts.names())
    assert len(set(addresses.SYSTEM_CONTRACTS.values())) == len(addresses.SYSTEM_CONTRACTS)


def test_solidity_and_python_name_the_same_addresses() -> None:
    """SystemAddresses.sol and addresses.py are two texts of one table."""
    text = (ROOT / "contracts" / "libraries" / "SystemAddresses.sol").read_text("utf-8")
    found = dict(re.findall(r"constant (\w+) = address\((0x[0-9a-fA-F]+)\)", text))
    assert found
    for name, value in found.items():
        assert int(value, 16) == int.from_bytes(getattr(addresses, name), "big"), name


def test_a_library_knows_its_own_address() -> None:
    """So that a direct call of a state-changing function is refused, as after an ordinary deployment."""
    code = artifacts.load("CreditExamination").runtime_code
    assert addresses.LINKED_LIBRARIES["CreditExamination"].rjust(32, b"\0") in code


def test_an_unknown_contract_is_named() -> None:
    """KeyError with the name asked for."""
    with pytest.raises(KeyError, match="Nothing"):
        artifacts.load("Nothing")


def test_the_lock_names_no_index_host() -> None:
    """The compiler comes from whichever index npm is set to, checked by hash."""
    text = (COMPILER / "package-lock.json").read_text("utf-8")
    assert '"resolved"' not in text
    assert text.count('"integrity"') == text.count('"node_modules/')
