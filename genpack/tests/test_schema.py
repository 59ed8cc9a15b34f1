# SPDX-License-Identifier: MIT
"""The JSON Schema: a schema, made of the table of keys, that accepts and rejects what `genpack check` does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import json5
import jsonschema
import pytest
from conftest import Reading
from genpack.keys import KEYS, STRUCTURE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_keys import ROWS, text_of

from genpack import schema

SCHEMA: dict[str, Any] = json.loads(schema.text())


@pytest.fixture(scope="module")
def accepts() -> Callable[[object], bool]:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return lambda value: bool(validator.is_valid(value))


def test_every_key_is_described_for_editors() -> None:
    assert list(SCHEMA["properties"])[: len(KEYS) + 3] == [*KEYS, *STRUCTURE]
    for name in (*KEYS, *STRUCTURE):
        entry = SCHEMA["$defs"][name]
        assert entry["title"] == name
        assert entry["description"]
    for name, key in KEYS.items():
        shown = SCHEMA["$defs"][name].get("default", "words")
        assert shown == "words" or json.dumps(shown) == key.default
    assert SCHEMA["$defs"]["use"]["default"] == {}
    assert SCHEMA["$defs"]["compression"]["default"] == "auto"


@pytest.mark.parametrize("key", sorted(KEYS))
def test_accepts_every_key_at_every_place(accepts: Callable[[object], bool], key: str) -> None:
    assert accepts(json5.loads(text_of(key, ROWS[key])))


WRONG: tuple[object, ...] = (
    -1.5,
    7,
    True,
    "a b!",
    "",
    None,
    [],
    [[]],
    [{}],
    [7],
    {"x y": 1},
    {"a/b": 7},
    {"a/b": [7]},
    {"a/b": "x y!"},
)


@pytest.mark.parametrize("key", sorted([*KEYS, *STRUCTURE]))
@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_rejects_what_check_rejects(accepts: Callable[[object], bool], read: Reading, key: str, value: object) -> None:
    good = read(json.dumps({key: value}))[1].found == []
    assert accepts({key: value}) == good


@pytest.mark.parametrize(
    "text",
    [
        '{"packages": ["vim"]}',
        '{"packages": ["a/b", "-"]}',
        '{"mask": ["-a/b"]}',
        '{"nme": "x"}',
        '{"buildtime-packages": []}',
        '{"arch": {"sparc": {}}}',
        '{"arch": {"i686": {"name": "x"}}}',
        '{"arch": {"i686": {"arch": {}}}}',
        '{"variants": {"lower": {}}}',
        '{"variants": {"a b": {}}}',
        '{"variants": {"v": {"independent_binpkgs": true}}}',
        '{"variants": {"v": {"arch": {"i686": {"profile": "x"}}}}}',
        '{"compression": {"algorithm": "xz", "level": 1}}',
        '{"compression": {"algorithm": "zstd", "level": 23}}',
        '{"compression": {"level": 1}}',
        '{"users": [{"uid": 1}]}',
        '{"users": [{"name": "a", "uid": -1}]}',
        '{"users": [{"name": "a", "home": "h"}]}',
        '{"users": [{"name": "a", "comment": "a:b"}]}',
        '{"users": [{"name": "a", "create_home": 1}]}',
        '{"users": [{"name": "a", "additional_groups": "a b!"}]}',
        '{"groups": [{"name": "a", "uid": 1}]}',
        '{"outfile": "{nam}"}',
        '{"outfile": "/x"}',
        '{"setup_commands": [""]}',
        '{"circulardep_breaker": {"use": "x"}}',
        '{"circulardep_breaker": {"packages": ["a/b"], "use": "X:"}}',
        '{"use": {"a": "x"}}',
        '{"license": {"a/b": null}}',
        '{"services": ["-x"]}',
        '{"profile": "../x"}',
    ],
)
def test_rejects(accepts: Callable[[object], bool], read: Reading, text: str) -> None:
    assert not accepts(json.loads(text))
    assert read(text)[1].found


@pytest.mark.parametrize(
    "text",
    [
        '{"lower-layer-capacity": "5G"}',
        '{"packages": ["#", "# a comment", "-a/b", "a/b:0=::gentoo"]}',
        '{"arch": {"x86_64 | i686": {}, "aarch64": {}}}',
        '{"users": ["a", {"name": "b", "create-home": true, "additional-groups": "a,b c", "initial-group": "100"}]}',
        '{"use": {"*/*": "X: a -b", "a/b": ["c d"], "c/d": null}}',
    ],
)
def test_accepts(accepts: Callable[[object], bool], read: Reading, text: str) -> None:
    assert accepts(json.loads(text))
    assert read(text)[1].found == []


atoms = st.text(alphabet="ab/-1.:*=>~[]x,_+r", min_size=1, max_size=12)
flags = st.text(alphabet="aB-+*:@_1 ~", min_size=1, max_size=8)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(atoms, flags)
def test_patterns_mean_the_same_in_both(accepts: Callable[[object], bool], read: Reading, atom: str, flag: str) -> None:
    for value in (
        {"mask": [atom]},
        {"packages": [f"-{atom}"]},
        {"use": {atom: "x"}},
        {"use": {"a/b": flag}},
        {"accept_keywords": {"a/b": flag}},
        {"license": {"a/b": [flag]}},
        {"services": [flag]},
        {"profile": atom},
    ):
        assert accepts(value) == (read(json.dumps(value))[1].found == []), value
