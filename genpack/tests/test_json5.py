# SPDX-License-Identifier: MIT
"""The JSON5 parser: against the json5 library, and where it says that things are."""

from __future__ import annotations

import json
import math
from typing import Any

import json5 as reference
import pytest
from genpack.json5 import Json5Error, parse
from hypothesis import given, reject
from hypothesis import strategies as st

# Up to U+FFFF: the library leaves pairs of surrogates apart where it reads escapes.
texts = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_reads_what_json_writes(value: Any) -> None:
    assert parse(json.dumps(value)).plain() == value


@given(values)
def test_reads_what_the_json5_library_writes(value: Any) -> None:
    text = reference.dumps(value, indent=2, trailing_commas=True)
    try:
        expected = reference.loads(text)
    except ValueError:
        reject()  # NUL before a digit: the library writes it as \0, which JSON5 forbids there and itself can't read
    assert parse(text).plain() == expected


@given(st.text(alphabet="{}[],:'\"\\ \nab01.+-eExX/*_$"))
def test_agrees_with_the_json5_library(text: str) -> None:
    try:
        expected: Any = reference.loads(text)
    except (ValueError, RecursionError):
        with pytest.raises(Json5Error):
            parse(text)
        return
    assert parse(text).plain() == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("// c\n{a: 1, /* x\n */ $b_1: 'it''s'.length}", None),
        ("{a: 1,}", {"a": 1}),
        ("[+1, -0x1F, .5, 5., 1e3]", [1, -31, 0.5, 5.0, 1000.0]),
        ("'a\\\nb\\x41\\u00e9\\'\\q'", "abAé'q"),
        ("'\\ud83d\\ude00'", "😀"),
        ("\ufeff\u00a0[null, true, false]", [None, True, False]),
        ("-Infinity", -math.inf),
    ],
)
def test_forms(text: str, value: object) -> None:
    if value is None:
        with pytest.raises(Json5Error):
            parse(text)
    else:
        assert parse(text).plain() == value


def test_lines_of_keys_and_values() -> None:
    root = parse('{\n  a: 1,\n  "b": [\n    2, 3,\r\n    4],\n c:\n  {d: 5}\n}')
    assert [(m.key, m.line, m.value.line) for m in root.members] == [("a", 2, 2), ("b", 3, 3), ("c", 6, 7)]
    assert [n.line for n in root.members[1].value.items] == [4, 4, 5]


def test_a_repeated_key_is_kept_twice() -> None:
    assert [m.key for m in parse("{a: 1, a: 2}").members] == ["a", "a"]


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("{\n a: 1\n b: 2\n}", 3, 2, "',' or '}'"),
        ("{a: [1, 2", 1, 5, "closing ']'"),
        ("{\n a: 'x\n}", 2, 5, "closing '"),
        ("{a: yes}", 1, 5, "'yes' is no value"),
        ("{a-b: 1}", 1, 3, "put a key with '-' in quotes"),
        ("{a 1}", 1, 4, "':' must follow"),
        ("[1] 2", 1, 5, "after the end"),
        ("/* x", 1, 1, "without its end"),
        ("[01]", 1, 2, "malformed number"),
        ("'\\x4'", 1, 2, "malformed escape"),
        ("", 1, 1, "a value must come here"),
        ("[" * 200, 1, 102, "deep"),
    ],
)
def test_syntax_errors(text: str, line: int, column: int, words: str) -> None:
    with pytest.raises(Json5Error) as caught:
        parse(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert words in caught.value.message
