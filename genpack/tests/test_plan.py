# SPDX-License-Identifier: MIT
"""Keys of the phases: what changes which, and the reasons that are given."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from conftest import Reading
from genpack.model import Breaker, Compression, Definition, User
from genpack.plan import Pins
from genpack.workdir import PhaseState, State

from genpack import merge, plan, reasons

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


def texts(found: list[reasons.Reason]) -> list[str]:
    return [reason.text for reason in found]


def test_reasons(base: Definition) -> None:
    phase = plan.plan(base, PINS, Compression(), "/out")["lower"]
    done = PhaseState(phase.key, dict(phase.parts), complete=True)
    assert phase.reasons(done) == []
    assert texts(phase.reasons(None)) == ["not built yet"]
    assert texts(phase.reasons(dataclasses.replace(done, complete=False))) == ["the last run did not finish"]
    # A state without details, as older versions wrote it.
    other = dataclasses.replace(done, parts={**done.parts, "packages": "x", "patches/": "y"})
    assert texts(phase.reasons(other)) == ["packages changed", "patches/ changed"]


def told(base: Definition, phase: str, one: Pins = PINS, two: Pins = PINS, **keys: Any) -> list[str]:
    """What is said when the definition or the pins change, of one phase's own parts."""
    before = plan.plan(base, one, Compression(), "a.squashfs")[phase]
    saved = PhaseState(before.key, dict(before.parts), complete=True, details=dict(before.details))
    saved = PhaseState(**json.loads(json.dumps(dataclasses.asdict(saved))))  # as it comes from state.json
    now = plan.plan(dataclasses.replace(base, **keys), two, Compression("xz", None), "a.squashfs")[phase]
    return [text for text in texts(now.reasons(saved)) if text not in {"lower changed", "upper changed"}]


@pytest.mark.parametrize(
    ("phase", "keys", "text"),
    [
        ("lower", {"packages": ("x/new", "x/kept")}, "packages changed: +x/new -x/old"),
        ("lower", {"packages": ("x/kept", "x/old")}, "packages changed: the order"),
        ("lower", {"use": {"a/a": ("c",), "n/n": ("d",)}}, "use changed: +n/n -a/c a/a"),
        ("lower", {"profile": "metal"}, "profile changed: none -> metal"),
        ("lower", {"buildtime_packages_first": True}, "buildtime_packages_first changed: false -> true"),
        ("lower", {"circulardep_breaker": Breaker(("q/q",), ())}, "circulardep_breaker changed"),
        ("upper", {"users": (User("v"), User("u", uid=7))}, "users changed: +v u"),
        ("upper", {"setup_commands": ("true",)}, "setup_commands changed: +true"),
        ("upper", {"setup_commands": ("a\nb", "c" * 60)}, f"setup_commands changed: +a... +{'c' * 47}..."),
        ("pack", {}, "compression changed: auto -> xz"),
    ],
)
def test_a_reason_names_what_changed(base: Definition, phase: str, keys: dict[str, Any], text: str) -> None:
    base = dataclasses.replace(base, packages=("x/old", "x/kept"))
    assert told(base, phase, **keys) == [text]


def folder(name: str, **entries: str) -> Pins:
    found = {key.replace("__", "/"): value for key, value in entries.items()}
    details = {f"{name}/": found, "stage3": "s1"}
    return dataclasses.replace(PINS, folders={**PINS.folders, name: str(found)}, details=details)


def test_a_reason_names_the_files(base: Definition) -> None:
    one = folder("files", etc="folder 755", etc__motd="file 644 1", etc__gone="file 644 2", old="folder 755")
    two = folder("files", etc="folder 755", etc__motd="file 600 1", new="folder 755", new__file="link x", old="link y")
    words = "files/etc/gone removed, files/etc/motd changed, files/new/file added, files/old changed"
    assert told(base, "upper", one, two) == [words]
    (reason,) = [r for r in plan.plan(base, two, Compression(), "")["upper"].reasons(None)]
    assert reason == reasons.NOT_BUILT
    many = folder("kernel", **{f"f{number}": "file 644 1" for number in range(9)})
    assert told(base, "lower", folder("kernel"), many)[0].endswith("kernel/f5 added, 3 more in kernel/")


def test_a_new_stage3_is_named(base: Definition) -> None:
    two = dataclasses.replace(PINS, stage3="t", details={"stage3": "s2"})
    assert told(base, "lower", dataclasses.replace(PINS, details={"stage3": "s1"}), two) == ["stage3 changed: s1 -> s2"]


def state_of(base: Definition, pins: Pins, **more: Any) -> State:
    phases = plan.plan(base, pins, base.compression, base.outfile)
    state = State(**more)
    for name, p in phases.items():
        setattr(state, name, PhaseState(p.key, dict(p.parts), True, 2.5, dict(p.details)))
    return state


NOTHING: dict[str, reasons.Reason | None] = dict.fromkeys(("lower", "upper", "pack"))


def test_decisions(base: Definition) -> None:
    state = state_of(base, PINS)
    _, decisions = plan.decided(base, PINS, state, NOTHING)
    assert [(d.runs, d.seconds) for d in decisions.values()] == [(False, 2.5)] * 3
    _, decisions = plan.decided(base, PINS, state, {**NOTHING, "lower": reasons.NOT_BUILT})
    assert [d.why for d in decisions.values()] == ["not built yet", "lower runs before it", "upper runs before it"]
    _, decisions = plan.decided(base, PINS, State(), {"lower": None})
    assert [(d.phase, d.seconds) for d in decisions.values()] == [("lower", None)]


def test_what_was_changed_by_hand_is_packed_and_gone_with_the_next_upper(base: Definition) -> None:
    changed_by_hand = dataclasses.replace(PINS, by_hand="x")
    _, decisions = plan.decided(base, changed_by_hand, state_of(base, PINS), NOTHING)
    assert [d.why for d in decisions.values()] == ["", "", "the upper layer was changed with upper-bash"]
    packed = state_of(base, changed_by_hand, by_hand="x")
    _, decisions = plan.decided(base, changed_by_hand, packed, NOTHING)
    assert not any(d.runs for d in decisions.values())
    plans, decisions = plan.decided(dataclasses.replace(base, services=("s",)), changed_by_hand, packed, NOTHING)
    assert "the upper layer no longer holds what was changed with upper-bash" in decisions["pack"].why
    assert reasons.BY_HAND not in plans["pack"].parts
