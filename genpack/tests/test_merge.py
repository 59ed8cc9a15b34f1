# SPDX-License-Identifier: MIT
"""The merge: its laws, and what upstream forgot."""

from __future__ import annotations

from conftest import Reading
from genpack.model import Compression, Layer, User
from hypothesis import given
from hypothesis import strategies as st

from genpack import merge

atoms = st.sampled_from([f"c/{letter}" for letter in "abcdef"])
entries = st.lists(atoms | atoms.map(lambda atom: f"-{atom}"), max_size=8)
maps = st.dictionaries(atoms, st.none() | st.lists(st.sampled_from("xyz"), max_size=2).map(tuple), max_size=4)


@given(st.lists(atoms), st.lists(atoms))
def test_lists_append_what_is_new(old: list[str], new: list[str]) -> None:
    result = merge.unique(merge.unique((), old), new)
    assert len(result) == len(set(result))
    assert set(result) == {*old, *new}
    assert result[: len(set(old))] == merge.unique((), old)


@given(entries, entries)
def test_packages_merge_in_one_go_or_in_two(old: list[str], new: list[str]) -> None:
    assert merge.packages(merge.packages((), old), new) == merge.packages((), [*old, *new])


@given(entries, atoms)
def test_a_removed_package_is_gone(old: list[str], atom: str) -> None:
    assert atom not in merge.packages((), [*old, f"-{atom}"])
    assert merge.packages((), [*old, f"-{atom}", atom])[-1] == atom


@given(maps, maps)
def test_maps_later_wins_and_comes_last(old: dict[str, tuple[str, ...] | None], new: dict[str, None]) -> None:
    result = merge.by_key(old, new)
    assert dict(result) == {**old, **new}
    assert list(result)[len(result) - len(new) :] == list(new)


@given(maps, maps, maps)
def test_maps_are_associative(a: dict[str, None], b: dict[str, None], c: dict[str, None]) -> None:
    assert dict(merge.by_key(merge.by_key(a, b), c)) == dict(merge.by_key(a, merge.by_key(b, c)))


def test_an_empty_layer_changes_nothing() -> None:
    layer = Layer(name="x", profile="p", profile_given=True, packages=("a/b",), users=(User("u"),), devel=False)
    assert merge.two(layer, Layer()) == layer
    assert merge.two(Layer(), layer) == layer


TEXT = """{
  name: "base", profile: "paravirt", packages: ["a/a", "a/b"], setup_commands: ["one"], services: ["s"],
  use: {"a/a": "x", "*/*": "y"}, users: ["u", {name: "v", uid: 7}], compression: "xz",
  arch: {"x86_64|aarch64": {packages: ["a/c"], setup_commands: ["two"]}, i686: {packages: ["a/i"]}},
  variants: {
    big: {name: "large", profile: null, packages: ["-a/a", "a/d"], setup_commands: ["three", "one"],
          users: [{name: "v", uid: 8}], use: {"a/a": null}, devel: true,
          arch: {x86_64: {setup_commands: ["four"], packages: ["-a/c"]}}},
    named: {outfile: "{name}+{variant}-{arch}.img", profile: "systemimg"},
  },
}"""


def test_base_and_arch(read: Reading) -> None:
    merged = merge.merge(read(TEXT)[0], "x86_64", None, "folder")
    assert merged.packages == ("a/a", "a/b", "a/c")
    assert merged.setup_commands == ("one", "two")
    assert (merged.outfile, merged.profile, merged.devel) == ("base-x86_64.squashfs", "paravirt", False)
    assert merged.compression == Compression("xz")
    assert merge.merge(read(TEXT)[0], "i686", None, "folder").packages == ("a/a", "a/b", "a/i")


def test_variant_and_its_arch(read: Reading) -> None:
    merged = merge.merge(read(TEXT)[0], "x86_64", "big", "folder")
    assert merged.packages == ("a/b", "a/d")
    assert merged.setup_commands == ("one", "two", "three", "one", "four")
    assert (merged.name, merged.profile, merged.outfile) == ("large", None, "large-big-x86_64.squashfs")
    assert [(user.name, user.uid) for user in merged.users] == [("u", None), ("v", 8)]
    assert merged.use == {"*/*": ("y",), "a/a": None}
    assert merged.devel
    assert merge.merge(read(TEXT)[0], "riscv64", "big", "folder").packages == ("a/b", "a/d")


def test_variant_without_a_profile_key_keeps_the_profile(read: Reading) -> None:
    source, _ = read(TEXT.replace('profile: "systemimg"', "services: []"))
    merged = merge.merge(source, "i686", "named", "folder")
    assert (merged.profile, merged.outfile) == ("paravirt", "base+named-i686.img")
    assert merge.merge(read(TEXT)[0], "i686", "named", "folder").profile == "systemimg"


def test_the_name_is_the_folder_s_by_default(read: Reading) -> None:
    assert merge.merge(read("{}")[0], "x86_64", None, "folder").outfile == "folder-x86_64.squashfs"
