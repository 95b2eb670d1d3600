"""``praya demo``: a seeded town at the present, its doors in a table, until somebody ends it."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from node.cli.demo import steps_credit, steps_invoice
from node.cli.demo.dates import banking_days_before_today
from node.cli.demo.table import print_table
from node.cli.demo.teller import Story
from node.cli.demo.town import IMPORTER, Town, open_town
from node.cli.network.test_clock import as_utc
from node.errors import PrayaError

DAY_OF_EXAMINATION = 3
SERIAL = "0001"

CREDIT = (steps_credit.issue, steps_credit.advise, steps_credit.present_discrepant)
INVOICE = (steps_invoice.register, steps_invoice.buyer_accepts)
COPY = (steps_invoice.rival_registers,)
FINANCE = (
    steps_invoice.offer,
    steps_invoice.rival_is_refused,
    steps_invoice.accept_offer,
    steps_invoice.disburse,
)
"""After INVOICE and COPY."""


def receive(*, strict_time: bool) -> None:
    """Open a town, seed it, show it, and stay until a signal ends it (Interrupted)."""
    began = time.monotonic()
    _report("starting four banks and an observer ...")
    with open_town(banking_days_before_today(DAY_OF_EXAMINATION), strict_time=strict_time) as town:
        _report("seeding a credit and an invoice ...")
        story = seed(town)
        print_table(town)
        print(_summary(story))
        console = f"{town.desks[IMPORTER].node.web_url}/"
        print(f"Ready in {time.monotonic() - began:.1f} s. Ctrl-C ends every process and removes {town.folder}.")
        print(f"Next: open {console}, sign in as maker, and decide on the presentation.", flush=True)
        while True:
            signal.pause()


def seed(town: Town) -> Story:
    """One credit on day 3 of 5 of an examination, one invoice financed, one duplicate refused; then the present."""
    story = Story(town, serial=SERIAL, seed=0, voice=lambda _line: None)

    def play(steps: Sequence[Callable[[Story], None]]) -> None:
        for step in steps:
            try:
                step(story)
            except PrayaError as error:
                name = step.__name__.replace("_", " ")
                raise PrayaError(f"seeding failed: {name}: {error.message}", field=error.field) from error

    pool = ThreadPoolExecutor(max_workers=3)
    try:
        credit, invoice, copy = (pool.submit(play, steps) for steps in (CREDIT, INVOICE, COPY))
        for each in (invoice, copy):
            each.result()
        play(FINANCE)
        credit.result()
    finally:  # an interruption waits for nobody: the threads end with the nodes
        pool.shutdown(wait=False, cancel_futures=True)
    town.advance(int(time.time()) - town.now())
    return story


def _summary(story: Story) -> str:
    officer = story.town.desk(IMPORTER).officer("maker")
    credit: dict[str, Any] = officer.get(f"/credits/{story.notes.credit}")
    examination = credit["presentations"][0]["examinations"][0]
    invoice: dict[str, Any] = officer.get(f"/invoices/{story.notes.invoice}")
    return "\n".join(
        (
            f"Credit    {credit['address']}  {credit['currency']} {credit['amount']}",
            f"          day {DAY_OF_EXAMINATION} of 5 of {examination['bank_name']}'s examination, "
            f"due {as_utc(examination['deadline'])}",
            f"Invoice   {invoice['address']}  {invoice['currency']} {invoice['amount']}",
            f"          financed by {invoice['offers'][0]['bank_name']}",
            f"Duplicate {story.notes.copy}  the same invoice at another bank",
            f"          its hold was refused: draft {story.notes.rival_offer['id']} at huangpu",
        )
    )


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
