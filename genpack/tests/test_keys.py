# SPDX-License-Identifier: MIT
"""Each key at each place where it may stand: how base, arch, variant and the variant's arch become one value."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields

import pytest
from conftest import Reading
from genpack.keys import KEYS
from genpack.model import Breaker, Compression, Definition, Group, Layer, User

from genpack import merge, plan, show


@dataclass(frozen=True)
class Row:
    """JSON5 values of one key at its places, and the merged values: base alone, base + arch, base + arch + variant,
    and all four. `arch` None: the key can't stand there."""

    base: str
    arch: str | None
    variant: str | None
    variant_arch: str | None
    merged: tuple[object, ...]


ROWS = {
    "name": Row("'a'", None, "'b'", None, ("a", "a", "b", "b")),
    "profile": Row("'a'", None, "null", None, ("a", "a", None, None)),
    "outfile": Row(
        "'{name}.{arch}'", None, "'{variant}/{name}'", None, ("n.riscv64", "n.x86_64", "v/n", "v/n")
    ),
    "compression": Row(
        "{algorithm: 'zstd', level: 15}",
        None,
        "'xz'",
        None,
        (Compression("zstd", 15), Compression("zstd", 15), Compression("xz"), Compression("xz")),
    ),
    "packages": Row(
        "['a/a', '# a/n', 'a/b', 'a/a']",
        "['-a/a', 'a/c']",
        "['a/a', '-a/b', 'a/c', '-a/none']",
        "['-a/c', '=a/b-1:0::r[x]']",
        (("a/a", "a/b"), ("a/b", "a/c"), ("a/c", "a/a"), ("a/a", "=a/b-1:0::r[x]")),
    ),
    "buildtime_packages": Row(
        "['a/a', 'a/b']", "['a/c', 'a/a']", "['a/d']", "['a/b', 'a/e']",
        (("a/a", "a/b"), ("a/a", "a/b", "a/c"), ("a/a", "a/b", "a/c", "a/d"), ("a/a", "a/b", "a/c", "a/d", "a/e")),
    ),
    "buildtime_packages_first": Row("true", "false", "true", "false", (True, False, True, False)),
    "binpkg_excludes": Row(
        "'a/a'", "['a/b', 'a/a']", "'a/c'", "[]",
        (("a/a",), ("a/a", "a/b"), ("a/a", "a/b", "a/c"), ("a/a", "a/b", "a/c")),
    ),
    "use": Row(
        "{'*/*': '+a -b', 'a/a': 'x'}",
        "{'a/a': ['y', 'z X: w']}",
        "{'*/*': null}",
        "{'b/b': 'c'}",
        (
            {"*/*": ("a", "-b"), "a/a": ("x",)},
            {"*/*": ("a", "-b"), "a/a": ("y", "z", "X:", "w")},
            {"a/a": ("y", "z", "X:", "w"), "*/*": None},
            {"a/a": ("y", "z", "X:", "w"), "*/*": None, "b/b": ("c",)},
        ),
    ),
    "accept_keywords": Row(
        "{'a/a': null, 'a/b': '~amd64'}",
        "{'a/b': ['**', '-~x86']}",
        "{'a/a': '*'}",
        "{'a/c': []}",
        (
            {"a/a": (), "a/b": ("~amd64",)},
            {"a/a": (), "a/b": ("**", "-~x86")},
            {"a/b": ("**", "-~x86"), "a/a": ("*",)},
            {"a/b": ("**", "-~x86"), "a/a": ("*",), "a/c": ()},
        ),
    ),
    "mask": Row(
        "['>=a/a-2']", "['a/b']", "['>=a/a-2', 'a/c']", "['a/d']",
        ((">=a/a-2",), (">=a/a-2", "a/b"), (">=a/a-2", "a/b", "a/c"), (">=a/a-2", "a/b", "a/c", "a/d")),
    ),
    "license": Row(
        "{'*/*': '@FREE -x'}", "{'a/a': ['y']}", "{'*/*': '*'}", "{'a/a': 'z'}",
        (
            {"*/*": ("@FREE", "-x")},
            {"*/*": ("@FREE", "-x"), "a/a": ("y",)},
            {"a/a": ("y",), "*/*": ("*",)},
            {"*/*": ("*",), "a/a": ("z",)},
        ),
    ),
    "env": Row(
        "{'a/a': 'one two'}", "{'a/a': 'three'}", "{'a/b': ['one']}", "{'a/b': ['two']}",
        ({"a/a": ("one", "two")}, {"a/a": ("three",)}, {"a/a": ("three",), "a/b": ("one",)})
        + ({"a/a": ("three",), "a/b": ("two",)},),
    ),
    "users": Row(
        "['u', {name: 'w', uid: 5, shell: '/s'}]", None, "[{name: 'u', uid: 6}, 'x']", None,
        ((User("u"), User("w", 5, shell="/s")), (User("u"), User("w", 5, shell="/s")))
        + ((User("u", 6), User("w", 5, shell="/s"), User("x")),) * 2,
    ),
    "groups": Row(
        "['g', {name: 'h', gid: 5}]", None, "['h', {name: 'i', gid: 7}]", None,
        ((Group("g"), Group("h", 5)),) * 2 + ((Group("g"), Group("h"), Group("i", 7)),) * 2,
    ),
    "services": Row(
        "['a', 'b.timer']", "['c@1']", "['a', 'd.socket']", "['e']",
        (("a", "b.timer"), ("a", "b.timer", "c@1"), ("a", "b.timer", "c@1", "d.socket"))
        + (("a", "b.timer", "c@1", "d.socket", "e"),),
    ),
    "setup_commands": Row(
        "['one']", "['two\\nlines']", "['one']", "['three\\nmore']",
        (("one",), ("one", "two\nlines"), ("one", "two\nlines", "one"), ("one", "two\nlines", "one", "three\nmore")),
    ),
    "circulardep_breaker": Row(
        "{packages: ['a/a'], use: '+x -y'}", None, "{packages: ['a/b', 'a/c'], use: ['-z']}", None,
        (Breaker(("a/a",), ("x", "-y")),) * 2 + (Breaker(("a/b", "a/c"), ("-z",)),) * 2,
    ),
    "devel": Row("true", None, "false", None, (True, True, False, False)),
    "independent_binpkgs": Row("true", None, None, None, (True,) * 4),
    "include_commit_id": Row("true", None, None, None, (True,) * 4),
}  # fmt: skip


def text_of(key: str, row: Row) -> str:
    """A definition with the key at every place. Another architecture, another variant and a foreign arch entry hold
    values that must not come through."""
    name = "" if key == "name" else "name: 'n',"
    arch = f"arch: {{aarch64: {{{key}: {row.base}}}, 'x86_64|i686': {{{key}: {row.arch}}}}}," if row.arch else ""
    variant = ""
    if row.variant:
        inner = f", arch: {{x86_64: {{{key}: {row.variant_arch}}}}}" if row.variant_arch else ""
        variant = f"variants: {{w: {{{key}: {row.base}}}, v: {{{key}: {row.variant}{inner}}}}}"
    else:
        variant = "variants: {v: {}}"
    return f"{{ {name} {arch} {key}: {row.base}, {variant} }}"


def test_every_key_has_a_row_and_every_row_fits_its_key() -> None:
    assert list(ROWS) == list(KEYS)
    for name, row in ROWS.items():
        assert (row.arch is not None, row.variant is not None) == (KEYS[name].in_arch, KEYS[name].in_variant), name
        assert (row.variant_arch is not None) == KEYS[name].in_arch, name


@pytest.mark.parametrize("key", sorted(ROWS))
def test_merge(read: Reading, key: str) -> None:
    row = ROWS[key]
    source, problems = read(text_of(key, row))
    assert problems.found == []
    cases = [("riscv64", None), ("x86_64", None), ("i686", "v"), ("x86_64", "v")]
    for (arch, variant), expected in zip(cases, row.merged, strict=True):
        value = getattr(merge.merge(source, arch, variant, "folder"), key)
        assert value == expected, (arch, variant)
        if isinstance(expected, dict):
            assert list(value) == list(expected), "the order of lines in Portage's files"


@pytest.mark.parametrize("key", sorted(ROWS))
def test_a_key_at_a_place_where_it_can_t_stand(read: Reading, key: str) -> None:
    for allowed, text in (
        (KEYS[key].in_arch, f"{{arch: {{i686: {{\n{key}: {ROWS[key].base}}}}}}}"),
        (KEYS[key].in_variant, f"{{variants: {{v: {{\n{key}: {ROWS[key].base}}}}}}}"),
        (KEYS[key].in_arch, f"{{variants: {{v: {{arch: {{i686: {{\n{key}: {ROWS[key].base}}}}}}}}}}}"),
    ):
        found = [line for _, line in read(text)[1].found]
        assert (found == []) == allowed
        if not allowed:
            assert found[0].startswith("genpack.json5:2: ")
            assert "can't be given" in found[0]


def test_arch_entries_apply_in_the_order_of_the_file(read: Reading) -> None:
    text = "{arch: {'i686|x86_64': {setup_commands: ['1']}, x86_64: {setup_commands: ['2']}}, setup_commands: ['0']}"
    assert merge.merge(read(text)[0], "x86_64", None, "n").setup_commands == ("0", "1", "2")
    turned = "{arch: {x86_64: {setup_commands: ['2']}, 'x86_64 | i686': {setup_commands: ['1']}}}"
    assert merge.merge(read(turned)[0], "x86_64", None, "n").setup_commands == ("2", "1")


def test_every_field_of_model_and_plan_is_a_key() -> None:
    """A key that is read and then goes nowhere would be found here."""
    keys = set(KEYS)
    assert {field.name for field in fields(Layer)} - {"profile_given"} == keys
    assert {field.name for field in fields(Definition)} - {"arch", "variant"} == keys
    read_by_phases = {*plan.LOWER_KEYS, *plan.UPPER_KEYS} - {"variant"}
    assert keys - read_by_phases == {"outfile", "compression", "independent_binpkgs"}


@pytest.mark.parametrize("key", sorted(ROWS))
def test_what_is_shown_merges_to_the_same(read: Reading, key: str) -> None:
    source, _ = read(text_of(key, ROWS[key]))
    for arch, variant in (("riscv64", None), ("x86_64", None), ("i686", "v"), ("x86_64", "v")):
        merged = merge.merge(source, arch, variant, "folder")
        text = show.text(merged)
        again, problems = read(text)
        assert problems.found == problems.notes == []
        same = merge.merge(again, arch, None, "other")
        for field in fields(Definition):
            if field.name != "variant":
                assert getattr(same, field.name) == getattr(merged, field.name), field.name
        assert list(json.loads(text)) == [name for name in KEYS if name in json.loads(text)]
        if key != "profile" and getattr(merged, key) not in (None, False, (), {}):
            assert key in json.loads(text)


def test_show_of_every_form_of_a_value(read: Reading) -> None:
    text = """{name: "n", use: {"a/a": [], "b/b": null, "c/c": "x"}, accept_keywords: {"a/a": [], "b/b": null},
      users: ["u", {name: "v", create_home: false, additional_groups: "a,b"}], compression: "lz4"}"""
    assert json.loads(show.text(merge.merge(read(text)[0], "i686", None, "n"))) == {
        "name": "n",
        "outfile": "n-i686.squashfs",
        "compression": "lz4",
        "use": {"a/a": [], "b/b": None, "c/c": "x"},
        "accept_keywords": {"a/a": None, "b/b": None},
        "users": ["u", {"name": "v", "additional_groups": ["a", "b"], "create_home": False}],
    }
