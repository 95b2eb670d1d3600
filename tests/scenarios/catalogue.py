"""All scenarios by name, in the order of the files that hold them."""

from __future__ import annotations

from pathlib import Path

from tests.scenarios import agreement, epochs, false_banks, liveness, recovery, rules
from tests.scenarios.registry import SCENARIOS

__all__ = ["FILES", "SCENARIOS", "TRANSCRIPTS", "write_transcripts"]

FILES = (agreement, false_banks, liveness, recovery, epochs, rules)
TRANSCRIPTS = Path(__file__).parent / "transcripts"


def write_transcripts() -> list[str]:
    """Write every transcript anew; the names of those that changed, were added or have gone."""
    changed = []
    for name, scenario in SCENARIOS.items():
        path = TRANSCRIPTS / f"{name}.txt"
        text = scenario.transcript()
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            changed.append(name)
    for path in TRANSCRIPTS.glob("*.txt"):
        if path.stem not in SCENARIOS:
            path.unlink()
            changed.append(path.stem)
    return sorted(changed)
