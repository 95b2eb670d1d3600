"""Reads and writes MT messages. Strict mode refuses the first message that departs from the standard and names every
departure; lenient mode reads it whole and names them all the same. Writing uses the parsed components alone."""

from __future__ import annotations

import re
from collections.abc import Mapping

from node.trade.swift.checks import check_field, check_message
from node.trade.swift.model import (
    RAW,
    ApplicationHeader,
    BasicHeader,
    Deviation,
    Field,
    MtMessage,
    ParsedMt,
    SwiftError,
)
from node.trade.swift.standard import (
    DEFAULT_RELEASE,
    FieldDefinition,
    MessageDefinition,
    definition_of,
    load_release,
)

__all__ = ["Deviation", "Field", "MtMessage", "ParsedMt", "SwiftError", "make_field", "parse_mt", "write_mt"]

MT_BYTES_MAX = 65_536
"""A category 7 message holds at most 10,000 characters on the network; a file may carry some slack, not more."""

_BLOCK_1 = re.compile(r"([A-Z])([0-9]{2})([A-Z0-9]{12})([0-9]{4})([0-9]{6})\Z")
_BLOCK_2_INPUT = re.compile(r"I([0-9]{3})([A-Z0-9]{12})([A-Z0-9]{0,5})\Z")
_BLOCK_2_OUTPUT = re.compile(r"O([0-9]{3})([0-9]{10})([A-Z0-9]{12})([0-9]{20}[A-Z]?)\Z")
_PAIR = re.compile(r"\{([A-Z0-9]{3}):([^{}]*)\}")
_TAG = re.compile(r":([0-9]{2}[A-Z]?):")
_DOT_AMOUNT = re.compile(r"([A-Z0-9]*?[A-Z]{3})([0-9]+)\.([0-9]*)\Z")


def parse_mt(
    data: bytes | str,
    *,
    lenient: bool = False,
    message_type: str | None = None,
    release: str = DEFAULT_RELEASE,
) -> ParsedMt:
    """Read one message.

    ``message_type`` is needed only for a bare text block (fields without headers), which is a deviation.
    Errors: SwiftError, whose ``field`` is the tag and whose details carry code and rule. Strict: for any deviation.
    Lenient: only where the message cannot be read at all (size, framing, unknown type, no field).
    """
    found: list[Deviation] = []
    text = _decode(data, found)
    blocks = _split_blocks(text, message_type, found)
    message_type = _type_of(blocks, message_type)
    definition = _definition(message_type, release)
    fields = tuple(_read_fields(blocks["4"], definition, found))
    if not fields:
        raise SwiftError([Deviation("E_NO_FIELDS", "", "block 4", "the text block holds no field")])
    message = MtMessage(
        type=message_type,
        fields=fields,
        basic=_basic(blocks.get("1")),
        application=_application(blocks.get("2")),
        user_header=_pairs(blocks.get("3"), "3"),
        trailer=_pairs(blocks.get("5"), "5"),
    )
    found.extend(check_message(message, definition))
    if found and not lenient:
        raise SwiftError(found)
    return ParsedMt(message, tuple(found))


def write_mt(message: MtMessage, *, release: str = DEFAULT_RELEASE) -> str:
    """The message's text with CRLF line ends, from components alone; ``parse_mt`` of it equals ``message``."""
    definition = _definition(message.type, release)
    body = "".join(f":{field.tag}:{_field_text(field, definition)}\n" for field in message.fields)
    head = ""
    if message.basic is not None:
        b = message.basic
        head += f"{{1:{b.application}{b.service}{b.terminal}{b.session}{b.sequence}}}"
    if message.application is not None:
        a = message.application
        head += f"{{2:{a.direction}{a.type}{a.lead}{a.terminal}{a.rest}}}"
    if message.user_header is not None:
        head += "{3:" + "".join(f"{{{tag}:{value}}}" for tag, value in message.user_header) + "}"
    tail = ""
    if message.trailer is not None:
        tail = "{5:" + "".join(f"{{{tag}:{value}}}" for tag, value in message.trailer) + "}"
    return (head + "{4:\n" + body + "-}" + tail).replace("\n", "\r\n")


def make_field(
    message_type: str, tag: str, value: str, *, lenient: bool = False, release: str = DEFAULT_RELEASE
) -> tuple[Field, tuple[Deviation, ...]]:
    """One field from an officer's text (``--set 31D=301231HONG KONG``), checked as in a message.

    Errors: SwiftError for an unknown tag always, for any other deviation unless ``lenient``.
    """
    definition = _definition(message_type, release)
    if tag not in definition.by_tag:
        raise SwiftError([Deviation("T13", tag, f"MT{message_type}", f"MT{message_type} has no field {tag}")])
    found: list[Deviation] = []
    field = _read_field(tag, value.replace("\r\n", "\n"), definition, found)
    if found and not lenient:
        raise SwiftError(found)
    return field, tuple(found)


def _decode(data: bytes | str, found: list[Deviation]) -> str:
    if len(data) > MT_BYTES_MAX:
        raise SwiftError([Deviation("E_TOO_LARGE", "", f"at most {MT_BYTES_MAX} bytes", f"{len(data)} bytes")])
    if isinstance(data, bytes):
        try:
            text = data.decode("ascii")
        except UnicodeDecodeError as error:
            found.append(Deviation("E_CHARSET", "", "ASCII", f"byte {error.start} is outside the SWIFT character set"))
            text = data.decode("latin-1")
    else:
        text = data
    without_crlf = text.replace("\r\n", "")
    if "\n" in without_crlf or "\r" in without_crlf:
        found.append(Deviation("E_LINE_ENDING", "", "lines end with CRLF", "a line ends with LF or CR alone"))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _split_blocks(text: str, message_type: str | None, found: list[Deviation]) -> dict[str, str]:
    text = text.strip("\n \x00\x01\x03")
    if not text.startswith("{"):
        if message_type is None or not text.startswith(":"):
            raise SwiftError([Deviation("E_FRAMING", "", "{1:...}{2:...}{4:...-}", "the file does not begin with {1:")])
        found.append(Deviation("E_NO_HEADERS", "", "blocks 1 and 2", "a bare text block without headers"))
        return {"4": text.removesuffix("-").rstrip("\n")}
    blocks: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = re.compile(r"\s*\{([1-5S]):").match(text, position)
        if match is None:
            if text[position:].strip():
                raise SwiftError([Deviation("E_FRAMING", "", "{n:...}", f"unexpected text at offset {position}")])
            break
        number = match.group(1)
        if number in blocks:
            raise SwiftError([Deviation("E_FRAMING", "", "{n:...}", f"block {number} stands twice")])
        end, after = _block_end(text, match.end(), number)
        blocks[number] = text[match.end() : end]
        position = after
    for needed in ("1", "2", "4"):
        if needed not in blocks:
            raise SwiftError([Deviation("E_FRAMING", "", "blocks 1, 2 and 4", f"block {needed} is missing")])
    return blocks


def _block_end(text: str, start: int, number: str) -> tuple[int, int]:
    """(end of the content, index after the closing brace). Block 4 ends with a line ``-}`` and may hold braces."""
    if number == "4":
        end = text.find("\n-}", start - 1)
        if end < 0:
            raise SwiftError([Deviation("E_FRAMING", "", "block 4 ends with -}", "the end of block 4 is missing")])
        return max(end, start), end + 3
    depth = 1
    for index in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index, index + 1
    raise SwiftError([Deviation("E_FRAMING", "", "{n:...}", f"block {number} is not closed")])


def _type_of(blocks: Mapping[str, str], message_type: str | None) -> str:
    header = _application(blocks.get("2"))
    if header is None:
        assert message_type is not None
        return message_type
    if message_type is not None and header.type != message_type:
        raise SwiftError([Deviation("E_TYPE", "", f"MT{message_type}", f"the file is an MT{header.type}")])
    return header.type


def _definition(message_type: str, release: str) -> MessageDefinition:
    if message_type not in load_release(release):
        known = ", ".join(sorted(load_release(release)))
        raise SwiftError([Deviation("E_TYPE", "", f"one of MT {known}", f"MT{message_type} is not supported")])
    return definition_of(message_type, release)


def _basic(block: str | None) -> BasicHeader | None:
    if block is None:
        return None
    match = _BLOCK_1.match(block)
    if match is None:
        raise SwiftError([Deviation("H10", "", "block 1: F01 + terminal 12 + session 4 + sequence 6", f"{block!r}")])
    return BasicHeader(*match.groups())


def _application(block: str | None) -> ApplicationHeader | None:
    if block is None:
        return None
    match = _BLOCK_2_INPUT.match(block)
    if match is not None:
        return ApplicationHeader("I", match.group(1), match.group(2), "", match.group(3))
    match = _BLOCK_2_OUTPUT.match(block)
    if match is None:
        raise SwiftError([Deviation("H20", "", "block 2: I or O, type, terminal", f"{block!r}")])
    return ApplicationHeader("O", match.group(1), match.group(3), match.group(2), match.group(4))


def _pairs(block: str | None, number: str) -> tuple[tuple[str, str], ...] | None:
    if block is None:
        return None
    compact = block.replace("\n", "")
    if _PAIR.sub("", compact):
        raise SwiftError([Deviation("E_FRAMING", "", f"block {number}: {{tag:value}}...", f"{compact[:40]!r}")])
    return tuple(_PAIR.findall(compact))


def _read_fields(block: str, definition: MessageDefinition, found: list[Deviation]) -> list[Field]:
    if not block.startswith("\n") and not block.startswith(":"):
        found.append(Deviation("E_FRAMING", "", "block 4 begins with a line end", f"{block[:10]!r}"))
    values: list[tuple[str, list[str]]] = []
    for line in block.strip("\n").split("\n"):
        match = _TAG.match(line)
        if match is not None:
            values.append((match.group(1), [line[match.end() :]]))
        elif values:
            values[-1][1].append(line)
        else:
            found.append(Deviation("T13", "", "a field begins with :tag:", f"{line[:20]!r}"))
    return [_read_field(tag, "\n".join(lines), definition, found) for tag, lines in values]


def _read_field(tag: str, value: str, definition: MessageDefinition, found: list[Deviation]) -> Field:
    known = definition.by_tag.get(tag)
    if known is None:
        found.append(Deviation("T13", tag, f"MT{definition.type}", f"MT{definition.type} has no field {tag}"))
        return Field(tag, {RAW: value}, fits=False)
    field_definition, letter = known
    field = _fit(tag, value, field_definition, letter, found)
    found.extend(check_field(field, field_definition))
    return field


def _fit(tag: str, value: str, definition: FieldDefinition, letter: str, found: list[Deviation]) -> Field:
    field_format = definition.formats[letter]
    components = field_format.read(value)
    if components is None and value != value.strip(" "):
        components = field_format.read(value.strip(" "))
        if components is not None:
            found.append(Deviation("E_SPACE", tag, f"format {field_format.text}", "blanks around the value"))
    if components is None and (dotted := _DOT_AMOUNT.match(value)) is not None:
        components = field_format.read(f"{dotted.group(1)}{dotted.group(2)},{dotted.group(3)}")
        if components is not None:
            found.append(
                Deviation("T40", tag, f"format {field_format.text}", "the decimals stand after a dot, not a comma")
            )
    if components is None:
        found.append(Deviation("E_FORMAT", tag, f"format {field_format.text}", f"{_excerpt(value)} does not fit"))
        return Field(tag, {RAW: value}, fits=False)
    return Field(tag, components)


def _excerpt(value: str) -> str:
    """Enough of a wrong value to find it, on one line."""
    flat = value.replace("\n", " | ")
    return repr(flat if len(flat) <= 60 else flat[:57] + "...")


def _field_text(field: Field, definition: MessageDefinition) -> str:
    known = definition.by_tag.get(field.tag)
    if known is None or not field.fits:
        return field.components.get(RAW) or ""
    return known[0].formats[known[1]].write(field.components)
