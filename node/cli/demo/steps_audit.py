"""The auditor: replays the chain from genesis, and finds a copy with one flipped byte false."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from node.cli.demo.teller import Step, Story
from node.cli.demo.town import IMPORTER
from node.errors import DataError

AUDIT_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Verdict:
    """What ``praya audit replay`` ended with."""

    exit_code: int
    text: str
    report: dict[str, Any]


def replay(story: Story) -> None:
    """Everything again from genesis, from a bank that nobody needs to trust."""
    desk = story.town.desk(IMPORTER)
    verdict = _replay(story, desk.node.rpc_url, "--genesis-hash", story.town.network.genesis_hash)
    story.say(verdict.text)
    if verdict.exit_code != 0 or not verdict.report["holds"]:
        raise DataError(f"the auditor ends with {verdict.exit_code}", field="audit")


def export(story: Story) -> None:
    """The whole chain in one file."""
    path = story.export_to or story.town.folder / "chain.praya"
    done = _praya("audit", "export", "--from", story.town.desk(IMPORTER).node.rpc_url, "--to", str(path))
    if done.returncode != 0:
        raise DataError(f"the export ends with {done.returncode}: {done.stderr.strip()}", field="audit")
    story.say(done.stdout.strip().splitlines()[-1])
    story.notes.export = path


def flipped(story: Story) -> None:
    """One byte of a copy is changed, anywhere; where that is the genesis document, another one among the blocks too."""
    assert story.notes.export is not None
    original = story.notes.export.read_bytes()
    draw = random.Random(story.seed)  # noqa: S311 - not for secrets: the printed seed repeats it on the same file
    story.say(f"seed {story.seed}")
    if _find_false(story, original, draw.randrange(len(original)), draw) is None:
        first = len(original) - _bytes_of_blocks(original)
        if _find_false(story, original, draw.randrange(first, len(original)), draw) is None:
            raise DataError("the auditor names no height", field="height")


def _find_false(story: Story, original: bytes, position: int, draw: random.Random) -> int | None:
    """The height at which the auditor finds the copy false; None for genesis. DataError where it finds it true."""
    changed = bytearray(original)
    changed[position] ^= draw.randrange(1, 256)
    copy = story.town.folder / "flipped.praya"
    copy.write_bytes(changed)
    story.say(f"byte {position} of {len(original)}: 0x{original[position]:02x} -> 0x{changed[position]:02x}")
    verdict = _replay(story, str(copy))
    story.say(verdict.text)
    finding = verdict.report.get("finding")
    if verdict.exit_code == 0 or finding is None:
        raise DataError("the auditor finds the flipped copy true", field="audit")
    height: int | None = finding["height"]
    return height


def _bytes_of_blocks(export: bytes) -> int:
    """How many bytes lie behind the genesis frame: a magic line, a length of four bytes, so many bytes."""
    start = export.index(b"\n") + 1
    genesis = int.from_bytes(export[start : start + 4], "big")
    return len(export) - start - 4 - genesis


def _replay(story: Story, source: str, *options: str) -> Verdict:
    report = story.town.folder / "report.json"
    report.unlink(missing_ok=True)
    done = _praya("audit", "replay", "--from", source, "--report", str(report), *options)
    document = json.loads(report.read_text()) if report.exists() else {}
    return Verdict(done.returncode, (done.stdout or done.stderr).strip(), document)


def _praya(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "node", *arguments]
    return subprocess.run(  # noqa: S603 - our own interpreter and our own command
        command, check=False, capture_output=True, text=True, timeout=AUDIT_TIMEOUT_S, cwd="/"
    )


AUDITED = (
    Step("The auditor replays the chain from genesis out of Harbour Pearl's JSON-RPC", replay),
    Step("The auditor takes the chain as one file", export),
    Step("A copy of it with one flipped byte is found false", flipped),
)
