"""Nesting of JSON is bounded before a parser sees it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.client.json_text import NESTING_MAX, NestingError, check_nesting, parse_json

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def test_deep_text_is_refused_and_the_process_lives() -> None:
    """100,000 levels, arrays or objects, are refused; the limit itself is read."""
    for text in (b"[" * 100_000, b'{"a":' * 100_000, b'["\\"[[",' * 100):
        with pytest.raises(NestingError):
            parse_json(text)
    deepest = b"[" * NESTING_MAX + b"]" * NESTING_MAX
    assert parse_json(deepest) is not None
    with pytest.raises(NestingError, match="64"):
        parse_json(b"[" + deepest + b"]")


def test_brackets_in_strings_and_wide_texts_are_no_nesting() -> None:
    """Brackets inside strings, escaped quotes, and many shallow arrays pass."""
    value = [{"text": '[[[["\\' * 50}, [[]] * 500]
    assert parse_json(json.dumps(value).encode()) == value


@given(JSON_VALUES)
def test_any_shallow_value_is_read(value: object) -> None:
    """Whatever the standard library writes is read back, or nests too deep."""
    text = json.dumps(value).encode()
    check_nesting(text, 1_000)
    try:
        assert parse_json(text) == value
    except NestingError:
        assert text.count(b"[") + text.count(b"{") > NESTING_MAX


@pytest.mark.parametrize("text", [b"", b"{", b"NaN", b"[Infinity]", b"\xff", b'{"a":1}x'])
def test_malformed_text_is_a_value_error(text: bytes) -> None:
    """Malformed JSON is a ValueError, whatever is wrong with it."""
    with pytest.raises(ValueError):
        parse_json(text)


def depth_of(value: object) -> int:
    """How deep arrays and objects nest."""
    if isinstance(value, dict):
        return 1 + max((depth_of(item) for item in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth_of(item) for item in value), default=0)
    return 0


TRICKY = st.text(st.sampled_from('[]{}"\\,:a\n'), max_size=12)


@given(
    st.recursive(
        TRICKY | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TRICKY, inner, max_size=3),
        max_leaves=30,
    )
)
def test_depth_is_measured_exactly(value: object) -> None:
    """Text is refused exactly where its value nests deeper than the limit, whatever its strings hold."""
    text = json.dumps(value).encode()
    if depth_of(value) > 3:
        with pytest.raises(NestingError):
            check_nesting(text, 3)
    else:
        check_nesting(text, 3)
