"""``praya demo --once``: the whole story, as a list of named steps."""

from __future__ import annotations

from pathlib import Path

from node.cli.demo import steps_audit, steps_crash, steps_credit, steps_invoice
from node.cli.demo.dates import banking_days_before_today
from node.cli.demo.teller import Step, Story, tell
from node.cli.demo.town import open_town
from node.cli.network.test_clock import as_utc

BANKING_DAYS = 6
"""The story takes five; it ends before the present."""
SERIAL = "0001"

STEPS: tuple[Step, ...] = (
    *steps_credit.BEFORE_THE_KILL,
    *steps_crash.KILL,
    *steps_credit.DURING_THE_ABSENCE,
    *steps_crash.RETURN,
    *steps_credit.AFTER_THE_RETURN,
    *steps_invoice.FINANCED,
    *steps_crash.END,
    *steps_audit.AUDITED,
)


def tell_once(start: int | None, *, strict_time: bool, seed: int, export_to: Path | None) -> None:
    """Tell it in a town of its own. StepFailed names the step that failed."""
    print("Praya: a credit and an invoice, from paper to finality. All names are fictitious.", flush=True)
    begin = banking_days_before_today(BANKING_DAYS) if start is None else start
    with open_town(begin, strict_time=strict_time) as town:
        network = town.network
        print(f"chain {network.chain_id}, genesis {network.genesis_hash}")
        print(f"four banks and an observer agree on block 1; block time is {as_utc(town.now())}", flush=True)
        tell(Story(town, serial=SERIAL, seed=seed, export_to=export_to), STEPS)
