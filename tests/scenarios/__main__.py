"""``scripts/scenarios``: list the scenarios, print one, or write all transcripts anew."""

from __future__ import annotations

import sys

from tests.scenarios.catalogue import SCENARIOS, write_transcripts

USAGE = "usage: scripts/scenarios --list | --write | NAME"


def main(arguments: list[str]) -> int:
    """The exit status: 2 for a name that is none."""
    match arguments:
        case ["--list"]:
            for name, scenario in SCENARIOS.items():
                print(f"{name:<34} kills {', '.join(scenario.kills)}")
        case ["--write"]:
            print("\n".join(write_transcripts()) or "nothing changed")
        case [name] if name in SCENARIOS:
            print(SCENARIOS[name].transcript(), end="")
        case _:
            print(USAGE, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
