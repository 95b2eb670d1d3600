"""The MT codec: strict refuses, lenient names, and writing needs nothing but the parsed fields."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.trade.swift import SwiftError, parse_mt, write_mt
from node.trade.swift.formats import compile_format
from node.trade.swift.standard import load_release
from tests.trade.samples import MT700_FIELDS, MT707_FIELDS, MT734_FIELDS, OTHER_MESSAGES, mt

SAMPLES = {"700": MT700_FIELDS, "707": MT707_FIELDS, "734": MT734_FIELDS, **OTHER_MESSAGES}


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_a_clean_message_is_read_strictly_and_written_as_it_came(kind: str) -> None:
    """Writing the parsed fields gives the very text that was read."""
    text = mt(kind, SAMPLES[kind])
    parsed = parse_mt(text)
    assert parsed.deviations == ()
    assert write_mt(parsed.message) == text
    assert parse_mt(write_mt(parsed.message)).message == parsed.message


def test_headers_give_sender_and_receiver_for_both_directions() -> None:
    """An input message names the sender in block 1, an output message in block 2."""
    message = parse_mt(mt("734", MT734_FIELDS)).message
    assert (message.sender, message.receiver) == ("LOTUHKH0", "NANSCNS0")
    output = mt("734", MT734_FIELDS).replace(
        "{2:I734NANSCNS0XXXXN}", "{2:O7341200260320NANSCNS0AXXX00000000002603201201N}{3:{108:REF1}}"
    )
    parsed = parse_mt(output + "{5:{CHK:ABCDEF012345}}").message
    assert (parsed.sender, parsed.receiver) == ("NANSCNS0", "LOTUHKH0")
    assert parse_mt(write_mt(parsed)).message == parsed


@pytest.mark.parametrize(
    ("old", "new", "code", "tag"),
    [
        (":32B:USD125000,50", ":32B:JPY1000,50", "C03", "32B"),
        (":32B:USD125000,50", ":32B:USD125000.50", "T40", "32B"),
        (":32B:USD125000,50", ":32B:QQQ125000,50", "T52", "32B"),
        (":32B:USD125000,50", ":32B:USD,50", "E_FORMAT", "32B"),
        (":31C:260302", ":31C:260231", "T50", "31C"),
        (":20:IMP-2026-0017", ":20:/IMP", "T26", "20"),
        (":20:IMP-2026-0017", ":20:IMP//17", "T26", "20"),
        (":20:IMP-2026-0017", ":20:" + "X" * 17, "E_FORMAT", "20"),
        (":40A:IRREVOCABLE", ":40A:REVOCABLE", "E_CODE", "40A"),
        (":49:WITHOUT\n", ":49:CONFIRM\n", "E_58A_MISSING", "58a"),
        (":43P:ALLOWED\n", ":42C:AT SIGHT\n:43P:ALLOWED\n", "C90", "42C"),
        (":43P:ALLOWED\n", ":42M:HALF\n:42P:REST\n:43P:ALLOWED\n", "C90", "42P"),
        (":44C:260410\n", ":44C:260410\n:44D:MARCH\n", "D06", "44D"),
        (":27:1/1\n", "", "T13", "27"),
        (":27:1/1\n", ":27:1/1\n:27:1/1\n", "E_REPEATED", "27"),
        (":27:1/1\n", ":27:1/1\n:31E:260430\n", "T13", "31E"),
        (":40A:IRREVOCABLE\n:20:IMP-2026-0017\n", ":20:IMP-2026-0017\n:40A:IRREVOCABLE\n", "E_ORDER", "40A"),
        (":50:KWUN LOTUS", ":50: KWUN {LOTUS", "E_FORMAT", "50"),
    ],
)
def test_each_deviation_is_refused_strictly_and_named_leniently(old: str, new: str, code: str, tag: str) -> None:
    """Strict mode raises with tag and rule; lenient mode reads the same message whole and names the same deviation."""
    text = mt("700", MT700_FIELDS.replace(old, new))
    with pytest.raises(SwiftError) as refused:
        parse_mt(text)
    found = [(deviation.code, deviation.tag) for deviation in refused.value.deviations]
    assert (code, tag) in found
    assert all(deviation.rule and deviation.text for deviation in refused.value.deviations)
    lenient = parse_mt(text, lenient=True)
    assert [(deviation.code, deviation.tag) for deviation in lenient.deviations] == found
    assert parse_mt(write_mt(lenient.message), lenient=True).message == lenient.message


def test_lf_line_ends_are_one_named_deviation() -> None:
    """A file with LF alone is readable leniently, and that is said once."""
    text = mt("700", MT700_FIELDS).replace("\r\n", "\n")
    parsed = parse_mt(text.encode(), lenient=True)
    assert [deviation.code for deviation in parsed.deviations] == ["E_LINE_ENDING"]
    assert parsed.message == parse_mt(mt("700", MT700_FIELDS)).message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "{1:F01X}",
        "{1:F01LOTUHKH0AXXX0000000000}{2:I700NANSCNS0XXXXN}{4:\r\n:27:1/1",
        "{" * 2000,
        "x" * 70_000,
        "{1:F01LOTUHKH0AXXX0000000000}{2:I799NANSCNS0XXXXN}{4:\r\n:20:A\r\n-}",
    ],
)
def test_what_is_no_message_is_refused_in_either_mode(text: str) -> None:
    """Framing, size and type errors end as SwiftError, never as anything else."""
    for lenient in (False, True):
        with pytest.raises(SwiftError):
            parse_mt(text, lenient=lenient)


def test_network_rules_of_707_and_734() -> None:
    """An amendment does not raise and lower the amount; refunded charges need their amount; one currency."""
    both = MT707_FIELDS.replace(":32B:USD5000,\n", ":32B:USD5000,\n:33B:USD1,\n")
    with pytest.raises(SwiftError, match="E_32B_33B_BOTH"):
        parse_mt(mt("707", both))
    with pytest.raises(SwiftError, match="E_LINE_CODE field 46B"):
        parse_mt(mt("707", MT707_FIELDS.replace("/ADD/", "")))
    with pytest.raises(SwiftError, match="E_52A_50B_ONE"):
        parse_mt(mt("707", MT707_FIELDS.replace(":52A:LOTUHKH0\n", "")))
    with pytest.raises(SwiftError, match="E_73A_WITHOUT_33A"):
        parse_mt(mt("734", MT734_FIELDS.replace(":77J:", ":73A:CABLE USD 20\n:77J:")))
    with pytest.raises(SwiftError, match="C02"):
        parse_mt(mt("734", MT734_FIELDS.replace(":77J:", ":33B:EUR20,\n:77J:")))


@pytest.mark.parametrize(
    ("kind", "old", "new", "code"),
    [
        ("754", ":57A:", ":53A:HARBSGS0\n:57A:", "E_53A_57A_BOTH"),
        ("754", ":77:", ":72Z:/REC/PLEASE\n:77:", "E_72Z_77_BOTH"),
        ("730", ":30:260305\n:32D:260305USD20,", ":25:12345\n:30:260305\n:57A:HARBSGS0", "E_25_57A_BOTH"),
        ("750", "SHIPMENT\n", "SHIPMENT\n:77B:HOLD\n", "T13"),
    ],
)
def test_rules_of_the_messages_around_a_presentation(kind: str, old: str, new: str, code: str) -> None:
    """What excludes each other is refused, and an MT750 has no 77B: it asks, it does not refuse."""
    fields = OTHER_MESSAGES[kind].replace(old, new)
    with pytest.raises(SwiftError) as refused:
        parse_mt(mt(kind, fields))
    assert [deviation.code for deviation in refused.value.deviations] == [code]


def test_option_parts_are_split_where_they_belong() -> None:
    """An optional account, a code with narrative and a party option keep their components apart."""
    message = parse_mt(mt("700", MT700_FIELDS)).message
    assert message.component("59", "account") == "0012345678"
    assert message.component("41a", "bic") == "NANSCNS0XXX"
    assert message.component("41a", "code") == "BY NEGOTIATION"
    rules = compile_format("30x[/35x]", ("rules", "narrative"))
    assert rules.read("OTHR/SEE 47A") == {"rules": "OTHR", "narrative": "SEE 47A"}
    assert rules.read("UCP LATEST VERSION") == {"rules": "UCP LATEST VERSION", "narrative": None}


def test_every_format_of_the_release_compiles() -> None:
    """The table's formats and component names agree."""
    for definition in load_release().values():
        assert definition.by_tag


_TEXT = st.text(alphabet=string.ascii_uppercase + string.digits + " ,.+()/", min_size=1, max_size=35).map(
    lambda text: "A" + text[:34]
)
_LINES = st.lists(_TEXT, min_size=1, max_size=4).map("\n".join)


@st.composite
def _mt700(draw: st.DrawFn) -> str:
    fields = MT700_FIELDS
    for tag in ("50", "45A", "46A", "47A"):
        fields = re.sub(rf":{tag}:(?:(?!\n:).)*", f":{tag}:" + draw(_LINES).replace("\\", ""), fields, flags=re.S)
    amount = draw(st.integers(min_value=1, max_value=10**11))
    fields = re.sub(r":32B:[^\n]*", f":32B:EUR{amount // 100},{amount % 100:02d}", fields)
    if draw(st.booleans()):
        fields = fields.replace(":39A:05/05\n", "")
    if draw(st.booleans()):
        fields = fields.replace(":48:15\n", ":48:10/AFTER " + "DATE\n")
    return fields


@settings(max_examples=60, deadline=None)
@given(_mt700())
def test_parse_write_parse_is_equal(fields: str) -> None:
    """Whatever the texts hold, the written message reads back to equal fields and equal text."""
    parsed = parse_mt(mt("700", fields))
    written = write_mt(parsed.message)
    assert written == mt("700", fields)
    assert parse_mt(written).message == parsed.message


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=string.printable, max_size=200), st.integers(min_value=0, max_value=600))
def test_lenient_reading_never_breaks(noise: str, position: int) -> None:
    """Noise anywhere in a message is read or refused by name, and what is read is written and read again alike."""
    text = mt("700", MT700_FIELDS)
    mangled = text[:position] + noise + text[position + len(noise) // 2 :]
    try:
        parsed = parse_mt(mangled, lenient=True)
    except SwiftError:
        return
    assert parse_mt(write_mt(parsed.message), lenient=True).message == parsed.message
