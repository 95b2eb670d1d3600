"""The documents say what the code does: reference files are fresh, links lead somewhere, every command is named."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from node.config import load_config, settings_table
from node.metrics import Metrics
from node.rpc.methods import METHODS
from node.trade.act_list import ACTS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("*/**/*.md"))
    if not any(part.startswith(".") or part == "node_modules" for part in path.relative_to(ROOT).parts)
)
_LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)[^)]*\)")


def test_reference_files_are_fresh() -> None:
    """`scripts/reference --check` finds nothing to write."""
    result = subprocess.run([ROOT / "scripts" / "reference", "--check"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_template_is_a_configuration(tmp_path: Path) -> None:
    """network-config/node.toml is taken as it stands; with each comment of a default taken away it means the same."""
    text = (ROOT / "network-config" / "node.toml").read_text()
    template, written_out = tmp_path / "a.toml", tmp_path / "b.toml"
    template.write_text(text)
    defaults = re.compile(r"^# (\w+ = .+)$", re.MULTILINE)
    written_out.write_text(defaults.sub(r"\1", text))
    assert load_config(template) == load_config(written_out)
    stated = tomllib.loads(written_out.read_text())
    for name, _default, _meaning in settings_table():
        section, dot, key = name.partition(".")
        inner = stated.get(section)
        assert (key in (inner[0] if isinstance(inner, list) else inner)) if dot and inner else section in stated, name


def test_every_method_metric_and_command_is_listed() -> None:
    """Each table has a line for each of its things, with words that say what it is."""
    methods = (ROOT / "node" / "rpc" / "README.md").read_text()
    assert not [name for name in METHODS if f"| `{name}` |" not in methods]
    metrics = (ROOT / "node" / "METRICS.md").read_text()
    families = {family.name for family in Metrics().registry.collect()}
    assert not [name for name in families if f"| `{name}` |" not in metrics]
    commands = (ROOT / "node" / "cli" / "README.md").read_text()
    assert not [name for name in ACTS if f"| `praya {name.replace('.', ' ')}` |" not in commands]
    for page in (methods, metrics, commands):
        rows = [line for line in page.splitlines() if line.startswith("| `")]
        assert rows
        assert not [row for row in rows if not re.search(r"\w\w", row.rsplit("|", 2)[1])]


def test_the_readme_leads_to_each_reference() -> None:
    """README.md links to the settings, methods, metrics and commands, and to every room's page."""
    readme = (ROOT / "README.md").read_text()
    pages = ("network-config/node.toml", "node/rpc/README.md", "node/METRICS.md", "node/cli/README.md")
    rooms = ("consensus", "contracts", "node", "network-config", "tests")
    assert not [page for page in (*pages, *(f"{room}/README.md" for room in rooms)) if f"({page})" not in readme]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """Relative links of a page name a file or a folder."""
    targets = _LINK.findall(page.read_text())
    assert not [target for target in targets if not (page.parent / target).exists()]


def test_every_dependency_has_its_reason() -> None:
    """Each library that pyproject.toml names stands in ARCHITECTURE.md's table with why it is there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    names = [re.split(r"[<>=!~ ;\[]", dependency, maxsplit=1)[0] for dependency in wanted]
    rows = [line for line in (ROOT / "ARCHITECTURE.md").read_text().splitlines() if line.startswith("|")]
    reasons = " ".join(rows).replace(",", " ").replace("|", " ").split()
    assert [name for name in names if name not in reasons] == []
