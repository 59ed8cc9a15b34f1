# SPDX-License-Identifier: MIT
"""Keys of the phases: what changes which, and the reasons that are given."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from conftest import Reading
from genpack.model import Breaker, Compression, Definition, User
from genpack.plan import Pins
from genpack.workdir import PhaseState

from genpack import merge, plan

FOLDERS = ("savedconfig", "patches", "env", "kernel", "overlay", "files")
PINS = Pins("s", "n", "o", dict.fromkeys(FOLDERS, "absent"))


@pytest.fixture
def base(read: Reading) -> Definition:
    return merge.merge(read('{name: "x", use: {"a/a": "b", "a/c": "d"}, users: ["u"]}')[0], "x86_64", None, "x")


def changed(base: Definition, other: Definition, pins: Pins = PINS, compression: str = "auto") -> set[str]:
    """The phases whose own parts differ, those of the phase before left aside."""
    one = plan.plan(base, PINS, Compression(), "/out")
    two = plan.plan(other, pins, Compression(compression), "/out")
    before = {"upper": "lower", "pack": "upper"}

    def own(phase: plan.PhasePlan) -> dict[str, str]:
        return {name: value for name, value in phase.parts.items() if name != before.get(phase.phase)}

    return {name for name in one if own(one[name]) != own(two[name])}


@pytest.mark.parametrize(
    ("key", "value", "phases"),
    [
        ("arch", "i686", {"lower"}),
        ("profile", "paravirt", {"lower", "upper"}),
        ("packages", ("a/b",), {"lower"}),
        ("buildtime_packages", ("a/b",), {"lower"}),
        ("buildtime_packages_first", True, {"lower"}),
        ("binpkg_excludes", ("a/b",), {"lower"}),
        ("use", {"a/c": ("d",), "a/a": ("b",)}, {"lower"}),
        ("accept_keywords", {"a/b": ()}, {"lower"}),
        ("mask", ("a/b",), {"lower"}),
        ("license", {"a/b": ("x",)}, {"lower"}),
        ("env", {"a/b": ("x",)}, {"lower"}),
        ("circulardep_breaker", Breaker(("a/b",), ()), {"lower"}),
        ("name", "y", {"upper"}),
        ("variant", "v", {"upper"}),
        ("users", (User("u", 5),), {"upper"}),
        ("groups", (), set()),
        ("services", ("s",), {"upper"}),
        ("setup_commands", ("true",), {"upper"}),
        ("devel", True, {"upper"}),
        ("include_commit_id", True, {"upper"}),
        ("users", (User("u", line=99),), set()),
    ],
)
def test_which_phase_a_key_belongs_to(base: Definition, key: str, value: Any, phases: set[str]) -> None:
    assert changed(base, dataclasses.replace(base, **{key: value})) == phases


def test_every_key_of_the_definition_is_an_input_of_a_phase(base: Definition) -> None:
    known = {*plan.LOWER_KEYS, *plan.UPPER_KEYS, "arch", "outfile", "compression"}
    # Where binary packages are kept changes nothing in the image.
    assert {field.name for field in dataclasses.fields(base)} - known == {"independent_binpkgs"}


@pytest.mark.parametrize("name", FOLDERS)
def test_folders(base: Definition, name: str) -> None:
    pins = dataclasses.replace(PINS, folders={**PINS.folders, name: "changed"})
    assert changed(base, base, pins) == {"upper" if name == "files" else "lower"}


def test_pins_and_compression(base: Definition) -> None:
    for words in (("x", "n", "o"), ("s", "x", "o"), ("s", "n", "x")):
        assert changed(base, base, Pins(*words, PINS.folders)) == {"lower"}
    assert changed(base, base, dataclasses.replace(PINS, commit="abc")) == {"upper"}
    assert changed(base, base, compression="xz") == {"pack"}


def test_a_changed_phase_changes_the_keys_after_it(base: Definition) -> None:
    one = plan.plan(base, PINS, Compression(), "/out")
    two = plan.plan(dataclasses.replace(base, packages=("a/b",)), PINS, Compression(), "/out")
    assert [one[name].key == two[name].key for name in one] == [False, False, False]
    three = plan.plan(dataclasses.replace(base, services=("x",)), PINS, Compression(), "/out")
    assert [one[name].key == three[name].key for name in one] == [True, False, False]


def test_reasons(base: Definition) -> None:
    phase = plan.plan(base, PINS, Compression(), "/out")["lower"]
    done = PhaseState(phase.key, dict(phase.parts), complete=True)
    assert phase.reasons(done) == []
    assert phase.reasons(None) == ["not built yet"]
    assert phase.reasons(dataclasses.replace(done, complete=False)) == ["the last run did not finish"]
    other = dataclasses.replace(done, parts={**done.parts, "packages": "x", "patches/": "y"})
    assert phase.reasons(other) == ["packages changed", "patches/ changed"]
