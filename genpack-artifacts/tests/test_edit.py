# SPDX-License-Identifier: MIT
"""Entries added to JSON5 texts: the result reads as it should, and nothing else of the text has changed."""

from __future__ import annotations

import json
from typing import Any

import json5
import pytest
from genpack_artifacts import edit, merge
from genpack_artifacts.spans import spans
from hypothesis import given, settings
from hypothesis import strategies as st

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def plain(text: str) -> Any:
    return json5.loads(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{a: []}", "{a: [1 /* ref */]}"),
        ("{a: [0]}", "{a: [0, 1 /* ref */]}"),
        ("{a: [0,]}", "{a: [0, 1 /* ref */]}"),
        ("{a: [0 /* why, [ */]}", "{a: [0, /* why, [ */ 1 /* ref */]}"),
        ("{a: [\n  0 // why ]\n]}", "{a: [\n  0, // why ]\n  1, // ref\n]}"),
        ("{a: [\n  0,\n  // none\n]}", "{a: [\n  0,\n  // none\n  1, // ref\n]}"),
        ("{a: [\n]}", "{a: [\n  1, // ref\n]}"),
        ("{a: [\r\n    0,\r\n]}", "{a: [\r\n    0,\r\n    1, // ref\r\n]}"),
        ("{'a': ['//', \"]\"]}", "{'a': ['//', \"]\", 1 /* ref */]}"),
    ],
)
def test_append(text: str, expected: str) -> None:
    assert edit.append(text, ("a",), [1], "ref") == expected
    assert plain(expected)["a"] == [*plain(text)["a"], 1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", '{ b: "c" /* ref */ }'),
        ("{\n  a: 1 // why\n}\n", '{\n  a: 1, // why\n  b: "c", // ref\n}\n'),
        ("// top\n{\n\ta: 1,\n}", '// top\n{\n\ta: 1,\n\tb: "c", // ref\n}'),
    ],
)
def test_add(text: str, expected: str) -> None:
    assert edit.add(text, (), {"b": "c"}, "ref") == expected
    assert plain(expected) == {**plain(text), "b": "c"}


def test_replace_keeps_what_is_beside_it() -> None:
    text = "{use: {\n  'a/b': 'x', // mine\n}}"
    assert edit.replace(text, ("use", "a/b"), "x y", "ref") == "{use: {\n  'a/b': \"x y\" /* ref */, // mine\n}}"


def test_long_values_have_a_line_for_each_entry() -> None:
    text = edit.add("{\n}\n", (), {"packages": [f"category/package-{n}" for n in range(9)]}, "ref")
    assert max(map(len, text.splitlines())) <= edit.WIDTH
    assert len(plain(text)["packages"]) == 9


@settings(deadline=None)  # a busy machine is no failure
@given(st.dictionaries(st.text(), VALUES, max_size=5), st.text(), VALUES, st.sampled_from([None, 1, 4]))
def test_any_text_reads_as_before_with_the_new_member(there: Any, key: str, value: Any, indent: int | None) -> None:
    there.pop(key, None)
    text = json.dumps(there, indent=indent, ensure_ascii=False)
    assert plain(edit.add(text, (), {key: value}, "ref: x")) == {**there, key: value}
    lists = [name for name, old in there.items() if isinstance(old, list)]
    for name in lists:
        assert plain(edit.append(text, (name,), [value], "ref: x"))[name] == [*there[name], value]


@settings(deadline=None)
@given(VALUES.filter(lambda value: isinstance(value, dict)))
def test_spans_are_the_values(value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    for key, span in spans(text).members.items():
        assert plain(text[span.start : span.end]) == value[key]


def merged(text: str, stencil: dict[str, Any]) -> merge.Merged:
    return merge.merge(text, plain(text), stencil, "ref: x")


def test_merge_adds_what_is_missing_only() -> None:
    text = "{packages: ['a/b'], use: {'a/b': '+x', 'c/d': ['y']}, users: ['u']}"
    stencil = {
        "packages": ["a/b", "e/f"],
        "use": {"a/b": "x z", "c/d": "w", "*/*": "q"},
        "users": ["u", {"name": "v", "uid": 7}],
        "services": ["s.service"],
    }
    result = merged(text, stencil)
    assert result.conflicts == ()
    assert plain(result.text) == {
        "packages": ["a/b", "e/f"],
        "use": {"a/b": "+x z", "c/d": ["y", "w"], "*/*": "q"},
        "users": ["u", {"name": "v", "uid": 7}],
        "services": ["s.service"],
    }
    again = merged(result.text, stencil)
    assert (again.text, again.added, again.conflicts) == (result.text, (), ())


@pytest.mark.parametrize(
    ("text", "stencil", "where"),
    [
        ("{packages: ['-a/b']}", {"packages": ["a/b"]}, "packages: a/b"),
        ("{use: {'a/b': '-x'}}", {"use": {"a/b": "x"}}, "use: a/b"),
        ("{use: {'a/b': 'x'}}", {"use": {"a/b": "-x"}}, "use: a/b"),
        ("{use: {'a/b': 'VIDEO: x'}}", {"use": {"a/b": "y"}}, "use: a/b"),
        ("{use: {'a/b': null}}", {"use": {"a/b": "y"}}, "use: a/b"),
        ("{license: {'a/b': 'MIT'}}", {"license": {"a/b": "GPL-2"}}, "license: a/b"),
        ("{users: [{name: 'u', uid: 1}]}", {"users": [{"name": "u", "uid": 2}]}, "users: u"),
        ("{users: ['u']}", {"users": [{"name": "u", "uid": 2}]}, "users: u"),
        ("{packages: 'a/b'}", {"packages": ["c/d"]}, "packages"),
    ],
)
def test_contradictions(text: str, stencil: dict[str, Any], where: str) -> None:
    result = merged(text, stencil)
    assert [conflict.where for conflict in result.conflicts] == [where]
    assert (result.text, result.added) == (text, ())
