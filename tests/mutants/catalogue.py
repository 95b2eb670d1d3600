"""The mutants, as data: M1 to M40 are those that a PBFT simulator must kill, those named in words are our own."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant

BYZANTINE = ("byzantine", "default")
CRASHES = ("crashes", "default")
DEFAULT = ("default",)
ROT = ("rot",)
SMALL = ("n5", "n6")


def _mutant(name: str, breaks: str, profiles: tuple[str, ...], *edits: tuple[str, str, str]) -> Mutant:
    return Mutant(name, breaks, tuple(Edit(*edit) for edit in edits), profiles)


_RECORDS = {
    "proposed": "Proposed",
    "accepted": "AcceptedPrePrepare",
    "prepared": "Prepared",
    "promise": "ViewPromise",
    "new view": "NewViewSent",
    "entered": "EnteredView",
}
"""What must be durable before something leaves."""
_PERSIST = "        if not self.refuse_to_vote:\n            self._records"
_RESTORED = "kept = {e: _above(o, ledger.height) for"


def _forgetting(fields: str) -> tuple[str, str, str]:
    return ("wal_records", _RESTORED, f"kept = {{e: replace(_above(o, ledger.height), {fields}) for")


MUTANTS: tuple[Mutant, ...] = (
    # --- quorums and what counts towards them -----------------------------------------------------------
    _mutant(
        "M1",
        "one PREPARE too few makes prepared",
        BYZANTINE,
        ("validators", "    return quorum_size(n) - 1\n", "    return max(0, quorum_size(n) - 2)\n"),
    ),
    _mutant(
        "M2",
        "one COMMIT too few makes committed",
        BYZANTINE,
        (
            "validators",
            "    return quorum_size(n)\n\n\ndef view_change_quorum",
            "    return quorum_size(n) - 1\n\n\ndef view_change_quorum",
        ),
    ),
    _mutant(
        "M3",
        "the quorum is 2f + 1 whatever n is",
        SMALL,
        ("validators", "return (n + max_faulty(n) + 2) // 2", "return 2 * max_faulty(n) + 1"),
    ),
    _mutant(
        "M4",
        "the primary's PREPARE counts beside its PRE-PREPARE",
        BYZANTINE,
        ("ingress", "if isinstance(message, Prepare) and leads:", "if False:"),
        ("message_log", " and sender != without:", ":"),
        ("certificates", "    if leader in indexes:", "    if False:"),
    ),
    _mutant(
        "M5",
        "a repeated COMMIT counts again",
        BYZANTINE,
        (
            "normal_case",
            "    core.report(core.log.add_commit(message))\n    slot = core.log.slot(message.height)\n",
            "    slot = core.log.slot(message.height)\n"
            "    again = slot.commits.get(message.sender, {}).get(message.view) == message\n"
            "    core.report(core.log.add_commit(message))\n",
        ),
        (
            "normal_case",
            "if len(commits) >= committed_quorum(core.n):",
            "if len(commits) + again >= committed_quorum(core.n):",
        ),
    ),
    _mutant(
        "M6",
        "votes for another block count",
        BYZANTINE,
        ("message_log", "vote is not None and vote.block_hash == block_hash and", "vote is not None and"),
    ),
    _mutant(
        "M7",
        "votes of another view count",
        BYZANTINE,
        ("message_log", "vote = by_view.get(view)", "vote = max(by_view.values(), key=lambda v: v.view, default=None)"),
    ),
    _mutant(
        "M8",
        "COMMIT without prepared",
        BYZANTINE,
        ("normal_case", "len(prepares) < prepared_quorum(core.n) or", ""),
    ),
    _mutant(
        "M9",
        "a second PRE-PREPARE for one view and height is accepted",
        BYZANTINE,
        ("message_log", "kept[0].view >= message.view:", "kept[0].view > message.view:"),
        (
            "normal_case",
            "    if parent is None or (slot.accepted is not None and slot.accepted.view >= view):\n        return\n"
            "    found = _candidate(core, slot)\n    if found is None:\n        return\n    message, arrived = found\n",
            "    found = _candidate(core, slot) if parent is not None else None\n"
            "    if found is None:\n        return\n"
            "    message, arrived = found\n"
            "    if slot.accepted and (slot.accepted.view, slot.accepted.block_hash) == (view, message.block_hash):\n"
            "        return\n",
        ),
    ),
    # --- view change ------------------------------------------------------------------------------------
    _mutant(
        "M10",
        "NEW-VIEW takes the prepared certificate of the lowest view",
        DEFAULT,
        ("view_change", "certificate.view > rival.view:", "certificate.view < rival.view:"),
    ),
    _mutant(
        "M10 first",
        "NEW-VIEW takes the first prepared certificate",
        DEFAULT,
        ("view_change", "if rival is None or certificate.view > rival.view:", "if rival is None:"),
    ),
    _mutant(
        "M11",
        "a NEW-VIEW of Q - 1 view changes",
        DEFAULT,
        (
            "validators",
            "    return quorum_size(n)\n\n\ndef epoch_of",
            "    return quorum_size(n) - 1\n\n\ndef epoch_of",
        ),
    ),
    _mutant(
        "M12",
        "a backup does not recompute the re-proposals",
        BYZANTINE,
        (
            "view_change",
            "return choose_new_view(message.view_changes).entries == entries",
            "return entries is not None",
        ),
    ),
    _mutant(
        "M13",
        "a VIEW-CHANGE reports nothing prepared",
        DEFAULT,
        (
            "view_change",
            '        raise ImpossibleState("a block was prepared here above one that was not")\n    return entries',
            '        raise ImpossibleState("a block was prepared here above one that was not")\n    return ()',
        ),
    ),
    _mutant(
        "M14",
        "a reported prepared certificate is not verified",
        BYZANTINE,
        ("view_change", "        verify_prepared_certificate(certificate, schedule, verifier)\n", ""),
    ),
    _mutant(
        "M15",
        "votes in the old view after a promise",
        DEFAULT,
        ("normal_case", "view == core.views.view and core.views.promise <= view", "view == core.views.view"),
    ),
    _mutant(
        "M16",
        "a PRE-PREPARE of a later view is followed without its NEW-VIEW",
        BYZANTINE,
        (
            "normal_case",
            "    if message.view < core.views.view:\n        return\n    core.report(core.log.add_pre",
            "    if message.view < core.views.view:\n        return\n    if message.view > core.views.promise:\n"
            "        core.views.view = core.views.promise = message.view\n    core.report(core.log.add_pre",
        ),
    ),
    # --- durability -------------------------------------------------------------------------------------
    *(
        _mutant(
            f"M17 {name}",
            f"what depends on {record} leaves without that record",
            CRASHES,
            ("core", _PERSIST, _PERSIST.replace(":\n", f" and not isinstance(record, wal_records.{record}):\n")),
        )
        for name, record in _RECORDS.items()
    ),
    _mutant(
        "M17 order",
        "messages leave before their records are synced",
        CRASHES,
        ("core", "effects.insert(0, Persist(", "effects.append(Persist("),
    ),
    _mutant("M18 promise", "a restart forgets the promise", CRASHES, _forgetting("view_change=None")),
    _mutant("M18 certificates", "a restart forgets what was prepared", CRASHES, _forgetting("prepared=()")),
    _mutant("M18 votes", "a restart forgets what was accepted", CRASHES, _forgetting("accepted=(), prepared=()")),
    _mutant(
        "M19",
        "a primary that restarts builds another block",
        CRASHES,
        (
            "wal_records",
            "        case Proposed(message) | AcceptedPrePrepare(message):\n            return replace(",
            "        case Proposed():\n"
            "            return o\n        case AcceptedPrePrepare(message):\n            return replace(",
        ),
    ),
    # --- what is signed, and under which set --------------------------------------------------------------
    _mutant(
        "M20",
        "the seal does not bind the view",
        (),
        (
            "domain",
            'bytes((kind,)) + view.to_bytes(8, "big") + height',
            'bytes((kind,)) + (0 if kind is Kind.COMMIT else view).to_bytes(8, "big") + height',
        ),
    ),
    # Leaving the epoch out of the domain is no mutant: every message says a height, and the set's hash holds the epoch.
    _mutant(
        "M21",
        "signatures do not bind the chain id",
        (),
        ("domain", '_DOMAIN_TAG + chain_id.to_bytes(8, "big") +', "_DOMAIN_TAG + bytes(8) +"),
    ),
    _mutant(
        "M22",
        "the old set goes on voting after an epoch's edge",
        DEFAULT,
        ("epochs", "    core.schedule.add(epoch, next_validators)\n", "    core.schedule.add(epoch, core.members)\n"),
    ),
    # --- several heights in flight ------------------------------------------------------------------------
    _mutant(
        "M23",
        "no chain rule: PREPARE at h + 1 before h is prepared",
        ("w2",),
        (
            "normal_case",
            "return prepared is not None and (prepared.view, prepared.block_hash) == (view, parent)",
            "return True",
        ),
    ),
    _mutant(
        "M24",
        "re-proposals may have a gap",
        ("w2",),
        (
            "view_change",
            "certificate.height != message.base_height + offset or certificate.epoch",
            "certificate.epoch",
        ),
        (
            "view_change",
            "    while height in reported:\n        entries.append((height, reported[height].block_hash))\n"
            "        height += 1\n",
            "    for height in sorted(h for h in reported if h > best.base_height):\n"
            "        entries.append((height, reported[height].block_hash))\n",
        ),
    ),
    # --- liveness and robustness --------------------------------------------------------------------------
    _mutant(
        "M25",
        "one VIEW-CHANGE is enough to join",
        BYZANTINE,
        (
            "view_synchronizer",
            "    return wanted[f_plus_1 - 1] if len(wanted) >= f_plus_1 else 0",
            "    joined = wanted[f_plus_1 - 1] if len(wanted) >= f_plus_1 else 0\n"
            "    return max([joined, *(c.view for c in core.sync.view_changes.values())])",
        ),
    ),
    _mutant(
        "M26",
        "the highest view wanted is joined, not the (f + 1)-th",
        BYZANTINE,
        ("view_synchronizer", "    return wanted[f_plus_1 - 1] if", "    return wanted[0] if"),
    ),
    _mutant(
        "M27",
        "no join rule",
        DEFAULT,
        ("view_synchronizer", "        if joined > own_target:", "        if joined > own_target + 10**9:"),
    ),
    _mutant(
        "M28",
        "T_newview runs from before the promise",
        DEFAULT,
        (
            "view_synchronizer",
            "    if running is None or (running[0]",
            "    if kind is TimerKind.PROGRESS and running is None or running and (running[0]",
        ),
    ),
    _mutant(
        "M29",
        "a VIEW-CHANGE is sent once",
        DEFAULT,
        (
            "view_synchronizer",
            "        core.broadcast(core.own_promise(), after=core.durable_lsn())",
            "        pass",
        ),
    ),
    _mutant(
        "M30",
        "patience does not grow",
        DEFAULT,
        ("core", "self.config.timeout_us << doublings", "self.config.timeout_us << 0 * doublings"),
    ),
    _mutant(
        "M31",
        "a re-proposal's time is judged as if it were fresh",
        (),
        (
            "normal_case",
            "            if arrived is not None:\n                check_fresh(core, header, message.sender, arrived)",
            "            check_fresh(core, header, core.members.index(header.coinbase), arrived or core.now)",
        ),
    ),
    _mutant(
        "M32",
        "STATUS does not say the view",
        DEFAULT,
        (
            "core",
            "Status(self.epoch, self.height, self.views.view, self.views.promise,",
            "Status(self.epoch, self.height, 0, self.views.promise,",
        ),
    ),
    _mutant(
        "M33",
        "own prepared certificate is dropped with its view",
        DEFAULT,
        (
            "view_change",
            "    views.base = choice.base_height\n",
            "    views.base = choice.base_height\n"
            "    for slot in core.log.slots.values():\n        slot.prepared = None\n",
        ),
    ),
    _mutant(
        "M34",
        "nothing is learnt during a view change",
        DEFAULT,
        (
            "normal_case",
            "    if not core.log.in_window(message.height):\n        return\n    core.report(core.log.add_commit",
            "    if not core.log.in_window(message.height) or not core.views.normal:\n        return\n"
            "    core.report(core.log.add_commit",
        ),
        (
            "normal_case",
            "    if core.log.learn(certificate):",
            "    if core.views.normal and core.log.learn(certificate):",
        ),
    ),
    _mutant(
        "M35",
        "every proposal heard is kept",
        BYZANTINE,
        ("message_log", "BLOCKS_KEPT = 8", "BLOCKS_KEPT = 8_000"),
        ("message_log", "VIEWS_KEPT = 3", "VIEWS_KEPT = 3_000"),
    ),
    _mutant(
        "M36",
        "no age rule",
        BYZANTINE,
        ("view_synchronizer", "    core.sync.checking.add(Reason.AGE)\n    core.emit(CheckWork())", "    return"),
    ),
    _mutant(
        "M37",
        "a certificate's seals are checked up to the Q-th",
        (),
        (
            "certificates",
            "    for index, seal in zip(indexes, certificate.seals, strict=True):",
            "    quorum = committed_quorum(len(members))\n"
            "    for index, seal in list(zip(indexes, certificate.seals, strict=True))[:quorum]:",
        ),
    ),
    _mutant(
        "M38",
        "a stale timer is honoured",
        (),
        ("replica", "if running is not None and running[0] == key:", "if running is not None or key:"),
        (
            "replica",
            "                    del core.timers[key.kind]\n",
            "                    core.timers.pop(key.kind, None)\n",
        ),
    ),
    _mutant(
        "M39",
        "a promise at the own timeout, without a quorum of complaints",
        DEFAULT,
        (
            "view_synchronizer",
            "    if _has_firm_work(core):\n        complain(core, next_view(core, core.views.view), "
            "Reason.PROGRESS, echo=False)\n    else:",
            "    if _has_firm_work(core):\n"
            "        view_change.promise(core, next_view(core, core.views.view))\n    else:",
        ),
    ),
    _mutant(
        "M40",
        "a block is delivered again and again",
        DEFAULT,
        ("normal_case", "if decided is None or slot.delivering:", "if decided is None:"),
    ),
    # --- our own ----------------------------------------------------------------------------------------
    _mutant(
        "a view survives the edge",
        "a view survives an epoch's edge",
        DEFAULT,
        (
            "epochs",
            "    core.views = ViewState()\n",
            "    core.views = ViewState(core.views.view, core.views.promise)\n",
        ),
    ),
    _mutant(
        "complaints never end",
        "a COMPLAIN never expires",
        BYZANTINE,
        (
            "view_synchronizer",
            "    if complaint.reason is Reason.PROGRESS:\n        return complaint.base >= core.height\n"
            "    return core.now.monotonic_us <= received_us",
            "    return True or core.now.monotonic_us <= received_us",
        ),
    ),
    _mutant(
        "truncation forgets",
        "a new WAL segment forgets the promise",
        CRASHES,
        ("replica", "            view_change=core.views.view_change,\n", "            view_change=None,\n"),
    ),
    _mutant(
        "carried certificate unverified",
        "the carried certificate is accepted unverified",
        BYZANTINE,
        ("block_rules", "        verify_commit_certificate(certificate, core.schedule, core.verifier)\n", ""),
    ),
    _mutant(
        "no lower time bound",
        "a fresh block may be as late as it likes",
        BYZANTINE,
        (
            "block_rules",
            "    if header.timestamp < arrived.unix_s - core.config.tolerance_s - patience_s:",
            "    if False:",
        ),
    ),
    _mutant(
        "no upper time bound",
        "a fresh block may be as early as it likes",
        BYZANTINE,
        ("normal_case", "    if wait_s <= 0 or repeats:\n        return False", "    if True:\n        return False"),
    ),
    _mutant(
        "chain rule for backups only",
        "the chain rule binds PREPARE alone, not the PRE-PREPARE",
        ("w2",),
        (
            "normal_case",
            "    if _hold_early(core, header, parent) or not chain_rule(core, slot, view, block_hash):",
            "    if _hold_early(core, header, parent):",
        ),
    ),
    _mutant(
        "base unverified",
        "the base of a VIEW-CHANGE is not verified",
        BYZANTINE,
        ("view_change", "    if base is not None:\n        verify_commit_certificate(base, schedule, verifier)\n", ""),
    ),
    _mutant(
        "repair unverified",
        "a served certificate is believed unverified",
        BYZANTINE,
        (
            "ingress",
            "                verify_commit_certificate(certificate, schedule, verifier)\n",
            "                pass\n",
        ),
    ),
    _mutant(
        "no drain at the edge",
        "the window does not drain at an epoch's edge",
        ("w2", "w4"),
        (
            "core",
            "return range(self.height + 1, min(self.height + self.config.window, last_of_epoch) + 1)",
            "return range(self.height + 1, self.height + self.config.window + 1)",
        ),
    ),
    _mutant(
        "a window too wide",
        "votes at h + W before h is in the ledger",
        ("w2",),
        (
            "core",
            "min(self.height + self.config.window, last_of_epoch) + 1)",
            "min(self.height + self.config.window + 1, last_of_epoch) + 1)",
        ),
    ),
    _mutant(
        "lost votes forgotten",
        "who has lost its votes votes again",
        ROT,
        ("wal_records", "    if ledger.wal_lsn > lsn:", "    if False:"),
    ),
    _mutant(
        "old ledger votes",
        "a ledger behind the votes does not silence",
        ROT,
        ("core", "not self.refuse_to_vote and self.height >= self.floor", "not self.refuse_to_vote"),
    ),
    _mutant(
        "vote before execution",
        "a replica votes before it has executed the block",
        BYZANTINE,
        (
            "normal_case",
            "    if message.block_hash not in slot.executed:\n",
            "    if message.block_hash in slot.invalid:\n",
        ),
    ),
    _mutant(
        "carried certificate of anything",
        "the carried certificate may be of another height",
        BYZANTINE,
        ("block_rules", "    if (certificate.height, certificate.block_hash) != (ancestor, known):", "    if False:"),
    ),
    _mutant(
        "sealed banks stay",
        "who has sealed a block changes no view (dBFT 2.0)",
        DEFAULT,
        (
            "view_synchronizer",
            "        if entered > core.views.promise:",
            "        slot = core.log.slots.get(core.height + 1)\n"
            "        if entered > core.views.promise and not (slot and slot.commits.get(core.my_index())):",
        ),
    ),
    _mutant(
        "equal bases",
        "a NEW-VIEW waits for view changes of one base (fabric 0.6)",
        DEFAULT,
        (
            "view_change",
            "    if len(changes) < needed:",
            "    if len(changes) < needed or len({c.base_height for c in changes}) > 1:",
        ),
    ),
    _mutant(
        "no repair",
        "who lags behind is not answered with certificates",
        DEFAULT,
        ("catch_up", "    if not known or not _may_answer(core, to):", "    if not known or known:"),
    ),
    _mutant(
        "old epochs count",
        "a message of an earlier epoch counts in this one",
        DEFAULT,
        (
            "replica",
            "        elif message.epoch < core.epoch:\n            catch_up.on_earlier_epoch(core, peer, message)\n",
            "        elif message.epoch < core.epoch:\n"
            "            self._receive_current(peer, replace(message, epoch=core.epoch))\n",
        ),
        ("replica", "from dataclasses import dataclass\n", "from dataclasses import dataclass, replace\n"),
        (
            "view_change",
            "    if schedule.epoch_of(message.base_height + 1) != message.epoch:",
            "    if schedule.epoch_of(message.base_height + 1) < message.epoch:",
        ),
    ),
)
