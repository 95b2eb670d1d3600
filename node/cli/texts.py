"""Answers of the trade desk for people: aligned lines, amounts with their ISO code, dates instead of seconds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from node.trade.currency import format_amount

Answer = Mapping[str, Any]
LABEL_WIDTH = 20
_EMPTY: tuple[Any, ...] = (None, "", [], {}, ())
_MINOR_UNITS = ("amount", "maximum")
"""Terms that the desk gives in minor units beside their currency."""


def money(currency: str, amount: str) -> str:
    """``USD 5,000.00``: the code, thousands apart; every digit as the desk gave it."""
    whole, point, cents = amount.partition(".")
    return f"{currency} {int(whole):,}{point}{cents}" if whole.isdecimal() else f"{currency} {amount}"


def moment(seconds: int | None) -> str:
    """An instant of block time in UTC."""
    if not seconds:
        return "at any time"
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%a %d %b %Y %H:%M UTC")


def day(text: str | None) -> str:
    """An ISO date as ``20 Feb 2027``."""
    return dt.date.fromisoformat(text).strftime("%d %b %Y") if text else "none"


def word(name: str) -> str:
    """A name of the contracts or of a field as a word."""
    return name.replace("_", " ").lower()


def flat(value: Any) -> str:
    """Whatever it is, on one line and without brackets; empty parts are left out."""
    if isinstance(value, Mapping):
        return ", ".join(f"{word(key)} {flat(entry)}" for key, entry in value.items() if entry not in _EMPTY)
    if isinstance(value, list | tuple):
        return "; ".join(flat(entry) for entry in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " / ".join(str(value).splitlines())


def fields(pairs: Iterable[tuple[str, Any]]) -> list[str]:
    """``label   value`` lines; empty values are left out."""
    return [f"  {label:<{LABEL_WIDTH}}{flat(value)}" for label, value in pairs if value not in _EMPTY]


def table(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """Rows with their columns aligned; ``right``: columns of numbers."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def section(title: str, lines: Sequence[str]) -> list[str]:
    """Lines under a title; nothing where there are none."""
    return [title, *(f"  {line}" for line in lines)] if lines else []


# --- credits ----------------------------------------------------------------------------------------------


def credit_text(found: Answer) -> str:
    """One credit: facts, what is sealed for this bank, presentations, obligations, whose turn it is."""
    parties, terms, currency = found["parties"], found["terms"], found["currency"]
    drawn, available = money(currency, found["drawn"]), money(currency, found["available"])
    lines = [f"credit {found['address']}: {_life(found)}"]
    lines += fields(
        [
            ("issuing bank", parties["issuing_bank_name"]),
            ("advising bank", f"{parties['advising_bank_name']} ({word(found['advice'])})"),
            ("beneficiary's bank", parties["beneficiary_bank_name"]),
            ("nominated bank", parties["nominated_bank_name"]),
            ("amount", f"{money(currency, found['amount'])}; drawn {drawn}, available {available}"),
            ("available by", f"{word(terms['availability'])}, {word(terms['tenor'])}"),
            ("expires", _expiry(found)),
            ("latest shipment", day(terms["latest_shipment_day"]) if terms["latest_shipment_day"] else None),
            ("presentation", f"within {terms['presentation_days']} days after shipment"),
            ("terms", f"version {found['terms_version']}"),
        ]
    )
    sealed = found.get("sealed_terms")
    if sealed:
        lines += section("sealed for this bank", _terms_lines(sealed.get("current_terms") or sealed["terms"]))
    lines += section(
        "amendments", [_amendment(each, currency, found["parties"].get("exponent")) for each in found["amendments"]]
    )
    lines += section("presentations", _presentations(found))
    for event in found["timeline"]:
        if event["event"] == "DocumentsPresented":
            index, anchors = event["args"]["presentation"], event["args"]["documents"]
            lines += section(f"documents of presentation {index} (praya doc fetch ANCHOR --to FILE)", list(anchors))
    for index, notice in sorted((found.get("discrepancies") or {}).items()):
        if notice:
            lines += section(f"discrepancies of presentation {index}", list(notice["discrepancies"]))
    lines += section("obligations", [_obligation(each, currency) for each in found["obligations"]])
    return "\n".join([*lines, *_next_lines(found["next"])])


def credit_rows(rows: Sequence[Answer]) -> str:
    """Credits, one on each line."""
    cells = [
        (
            row["address"],
            _life(row),
            money(row["currency"], row["amount"]),
            day(row["terms"]["expiry_day"]),
            str(row["parties"]["issuing_bank_name"]),
            _turn(row["next"][0]) if row["next"] else "",
        )
        for row in rows
    ]
    head = ("credit", "state", "amount", "expires", "issuing bank", "next")
    return "\n".join(table([head, *cells], right=frozenset({2}))) if cells else "none"


def _life(found: Answer) -> str:
    return f"{word(found['life'])}, expired" if found["expired"] and found["life"] == "ISSUED" else word(found["life"])


def _expiry(found: Answer) -> str:
    terms = found["terms"]
    provisional = ", provisional" if found["expiry_provisional"] else ""
    return f"{day(terms['expiry_day'])} at {terms['expiry_place']} (until {moment(found['expires_at'])}{provisional})"


def _amendment(each: Answer, currency: str, exponent: int | None) -> str:
    change = each["changes"]["amount_change"]
    sign = "-" if change < 0 else "+"
    amount = f", {sign}{money(currency, format_amount(abs(change), currency, exponent=exponent))}" if change else ""
    return f"{each['index']}: {word(each['status'])}{amount}, issued {moment(each['issued_at'])}"


def _presentations(found: Answer) -> list[str]:
    rows = []
    for each in found["presentations"]:
        for examination in each["examinations"]:
            standing = word(examination["standing"])
            if examination["standing"] == "EXAMINING":
                until = f"until {moment(examination['deadline'])}"
            else:
                until = moment(examination["decided_at"]) if examination["decided_at"] else ""
            if examination["discrepancy_count"]:
                count, disposal = examination["discrepancy_count"], examination["disposal"]
                standing += f" for {count} discrepanc{'y' if count == 1 else 'ies'}, {disposal}"
            amount = money(found["currency"], each["amount"])
            rows.append((f"{each['index']}:", amount, str(examination["bank_name"]), standing, until))
    return table(rows, right=frozenset({1}))


def _obligation(each: Answer, currency: str) -> str:
    state = f"settled {moment(each['settled_at'])}" if each["settled_at"] else f"due {moment(each['due_at'])}"
    amount = money(currency, each["amount"])
    return f"{each['index']}: {amount}, {each['debtor_name']} pays {each['creditor_name']}, {state}"


# --- invoices ---------------------------------------------------------------------------------------------


def invoice_text(found: Answer) -> str:
    """One invoice: facts, what is sealed for this bank, offers, whose turn it is."""
    terms, currency = found["terms"], found["currency"]
    lines = [f"invoice {found['address']}: {invoice_state(found)}"]
    lines += fields(
        [
            ("amount", money(currency, found["amount"])),
            ("issued", day(terms["issue_day"])),
            ("due", day(terms["due_day"])),
            ("seller's bank", found["seller_bank_name"]),
            ("buyer's bank", found["buyer_bank_name"]),
            ("registered", moment(found["registered_at"])),
            ("buyer accepted", _acceptance(found)),
        ]
    )
    sealed = (found.get("sealed_invoice") or {}).get("invoice")
    if sealed:
        lines += section("sealed for this bank", _terms_lines(sealed))
    lines += section("offers", [_offer(each, currency) for each in found["offers"]])
    return "\n".join([*lines, *_next_lines(found["next"])])


def invoice_rows(rows: Sequence[Answer]) -> str:
    """Invoices, one on each line."""
    cells = [
        (
            row["address"],
            invoice_state(row),
            money(row["currency"], row["amount"]),
            day(row["terms"]["due_day"]),
            str(row["seller_bank_name"]),
            _turn(row["next"][0]) if row["next"] else "",
        )
        for row in rows
    ]
    head = ("invoice", "state", "amount", "due", "seller's bank", "next")
    return "\n".join(table([head, *cells], right=frozenset({2}))) if cells else "none"


def invoice_state(found: Answer) -> str:
    """What the invoice's offers make of it."""
    states = [each["state"] for each in found["offers"]]
    for state, text in (("REPAID", "repaid"), ("DISBURSED", "financed"), ("ACCEPTED", "offer accepted")):
        if state in states:
            return text
    if "OPEN" in states:
        return "offered"
    return "accepted by the buyer" if found["buyer_accepted_at"] else "registered"


def _acceptance(found: Answer) -> str:
    if not found["buyer_accepted_at"]:
        return "no"
    attested = ", self-attested" if found["buyer_acceptance_self_attested"] else ""
    return moment(found["buyer_accepted_at"]) + attested


def _offer(each: Answer, currency: str) -> str:
    terms = each["terms"]
    text = f"{each['offer']}: {each['bank_name']}, {word(each['state'])}, {percent(terms['rate_bps'])} a year"
    text += f" on {percent(terms['advance_bps'])} of {percent(terms['fraction_bps'])}"
    text += f", {'with' if terms['with_recourse'] else 'without'} recourse"
    if each["state"] in ("OPEN", "ACCEPTED"):
        text += f", until {moment(terms['expiry'])}"
    if each["value_day"]:
        paid = money(currency, each["legs"]["payout"])
        text += f", paid {paid} on {day(each['value_day'])}"
    return text


def percent(basis_points: int) -> str:
    """600 basis points are ``6 %``."""
    whole, rest = divmod(basis_points, 100)
    return f"{whole}{f'.{rest:02d}' if rest else ''} %"


# --- drafts and files -------------------------------------------------------------------------------------


def draft_text(draft: Answer) -> str:
    """A draft as its maker sees it: what will be signed, and everything that officers must know first."""
    lines = [f"draft {draft['id']}: {draft['act']}, hash {draft['hash']}"]
    lines += fields(("signs", f"{call['contract']}.{call['function']} at {call['to']}") for call in draft["calls"])
    for name, value in draft["notes"].items():
        if value in _EMPTY:
            continue
        if name in ("terms", "invoice") and isinstance(value, Mapping):
            lines += section(word(name), _terms_lines(value))
        elif name == "sealed":
            lines += section("sealed", [_sealed(each) for each in value])
        elif isinstance(value, list):
            lines += section(word(name), [_entry(each) for each in value])
        elif isinstance(value, str) and "\n" in value:
            lines += section(word(name), value.splitlines())
        else:
            lines += fields([(word(name), value)])
    return "\n".join([*lines, f"approve: praya approve {draft['id']} --as checker"])


def reading_text(found: Answer) -> str:
    """A message as it was read: terms, deviations, what no contract enforces, obstacles."""
    lines = fields([("sender", found.get("sender")), ("receiver", found.get("receiver"))])
    lines += fields([("advising bank", found.get("advising"))])
    lines += section("terms", _terms_lines(found["terms"]))
    obstacles = [f"{flat(each.get('field'))}: {flat(each.get('text'))}" for each in found["obstacles"]]
    return "\n".join([*lines, *section("obstacles", obstacles)])


def _entry(entry: Any) -> str:
    """A term, or a remark on a field: its tag, its text, the reason."""
    if isinstance(entry, Mapping) and "tag" in entry and "reason" in entry:
        return f"{entry['tag']} {flat(entry.get('text', ''))}: {flat(entry['reason'])}"
    return flat(entry)


def _sealed(each: Answer) -> str:
    problem = f", NOT lodged: {each['problem']}" if each["problem"] else ""
    return f"{each['name']}, {each['size']} bytes, anchor {each['anchor']}{problem}"


def _terms_lines(terms: Answer) -> list[str]:
    """Terms, one on each line; minor units become amounts, lists one line for each entry."""
    currency = terms.get("currency")
    lines: list[str] = []
    for name, value in terms.items():
        if value in _EMPTY or name in ("exponent", "currency"):
            continue
        if name in _MINOR_UNITS and isinstance(value, int) and isinstance(currency, str):
            value = money(currency, format_amount(value, currency, exponent=terms.get("exponent")))
        entries = value if isinstance(value, list) else [value]
        for position, entry in enumerate(entries):
            lines.append(f"{'' if position else word(name):<{LABEL_WIDTH}}{_entry(entry)}")
    return lines


# --- whose turn -------------------------------------------------------------------------------------------


def _next_lines(turns: Sequence[Answer]) -> list[str]:
    return section("next", [_turn(each) for each in turns])


def _turn(turn: Answer) -> str:
    about = [f"{name} {turn[name]}" for name in ("presentation", "amendment", "obligation", "offer") if name in turn]
    until = f" until {moment(turn['deadline'])}" if turn["deadline"] else ""
    return f"{turn['bank_name']}: {' '.join([turn['act'], *about])}{until}"


def consortium_text(found: Answer) -> str:
    """Members, the validator set in force, and what the edges ahead bring."""
    lines = [
        f"head {found['head']}, epoch {found['epoch']} of {found['epoch_length']} heights; "
        f"{found['banks']} banks, {found['votes_needed']} votes change the consortium"
    ]
    for member in found["members"]:
        state = "" if member["active"] else "  (left)"
        seat = member["validator_address"] or ("no validator" if member["role"] == "bank" else member["role"])
        lines.append(f"  {member['bic']:<12} {member['name']:<42} {seat}{state}")
    lines.append(f"validators of height {found['validators']['height']}, quorum {found['validators']['quorum']}:")
    lines += [f"  {each['address']}  {each['name'] or 'replaced'}" for each in found["validators"]["set"]]
    for edge in found["edges"]:
        kind = "forecast, may still change" if edge["forecast"] else "decided"
        change = "another set" if edge["changes"] else "no change"
        lines.append(f"edge at {edge['height']} ({kind}): {change}, {len(edge['set'])} validators")
    return "\n".join(lines)


def proposal_text(found: Answer) -> str:
    """One proposal in three lines."""
    names = ", ".join(vote["name"] or vote["member"] for vote in found["votes"]) or "nobody"
    votes = f"{len(found['votes'])} of {found['needed']} votes: {names}"
    change = flat(found["change"]) if found["change"] else "content that cannot be read"
    until = f", until {moment(found['expires_at'])}" if found["state"] == "open" else ""
    return f"{found['id']}  {found['kind']}, {found['state']}{until}\n  {change}\n  {votes}"
