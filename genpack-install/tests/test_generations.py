# SPDX-License-Identifier: MIT
"""Every state that a cut update, rollback or "good" leaves, started over and over."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from genpack_install import generations
from genpack_install.errors import UsageError
from genpack_install.generations import Env, Move, Name, SetEnv, State, Step, Swap, Write, apply, start, tidy

C, CUR, NEW, OLD = Name.CURRENT, Name.CUR, Name.NEW, Name.OLD
#: (state, name that runs): after a boot, before the next; "bad" never finds itself good.
BEGINNINGS = {
    "first": (State({C: "A"}), C),
    "second": (State({C: "A", OLD: "O"}), C),
    "cut before the exchange": (State({C: "A", NEW: "X", OLD: "O"}, Env(2, "X")), C),
    "cut after the exchange": (State({C: "A", NEW: "O"}, Env(2, "A")), C),
    "not tidied": (State({C: "A", CUR: "O"}, Env(2)), C),
    "updated already": (State({C: "X", CUR: "A", OLD: "O"}, Env(3)), CUR),
    "updated already, first": (State({C: "X", CUR: "A"}, Env(3)), CUR),
    "rolled back": (State({C: "bad", OLD: "A"}, Env(0)), OLD),
    "previous chosen by hand": (State({C: "O", OLD: "A"}), OLD),
}


def settled(state: State, running: Name) -> tuple[list[Step], State]:
    exchanged = state.env.new is not None and state.images[C] == state.env.new
    steps = generations.settle(state, running, exchanged=exchanged)
    for step in steps:
        state = apply(state, step, "")
    return steps, state


def between(state: State, step: Step) -> Iterator[State]:
    """What a cut in the middle of a step may leave."""
    match step:
        case Write():
            if not state.env.new:
                yield apply(state, step, "half")
        case Move(source, target):
            yield state.named({target: state.images.get(source)})  # two names of one image
        case Swap(one, other):
            if state.has(one) and state.has(other):
                yield state.named({one: state.images[other]})
                yield state.named({other: state.images[one]})


def cuts(state: State, steps: list[Step], new: str) -> Iterator[State]:
    yield state
    for step in steps:
        yield from between(state, step)
        state = apply(state, step, new)
        yield state


def boots(state: State, bad: set[str]) -> list[str]:
    """The images of the next boots, with the marks that a good one sets."""
    seen = []
    for _ in range(12):
        name, state = start(state)
        assert name is not None, state
        image = state.images[name]
        # The kernel of a bad image fails before the initramfs.
        if image not in bad:
            running, state = tidy(state, name)
            assert state.images[running] == image
            _, state = settled(state, running)
            for step in generations.mark_good(state, running):
                state = apply(state, step, "")
        seen.append(image)
    return seen


def check(state: State, steps: list[Step], new: str, bad: set[str], final: str) -> None:
    for cut in cuts(state, steps, new):
        seen = boots(cut, bad)
        assert "half" not in seen
        if not set(cut.images.values()) <= bad:  # a torn exchange may lose the other one
            assert seen[-1] not in bad and seen[-5:] == [seen[-1]] * 5, (cut, seen)
            assert len([image for image in seen if image in bad]) <= 4, (cut, seen)
    for step in steps:
        state = apply(state, step, new)
    assert boots(state, bad)[-1] == final, state


ALL = list(itertools.product(BEGINNINGS, (False, True)))


@pytest.mark.parametrize(("name", "swap"), ALL)
def test_update_to_a_good_image(name: str, swap: bool) -> None:
    before, running = BEGINNINGS[name]
    first, state = settled(before, running)
    steps = generations.update(state, running, "N", swap=swap, counted=True, drop_old=False)
    check(before, first + steps, "N", {"bad"}, "N")
    assert steps[-1] == SetEnv(Env(3))
    for position, step in enumerate(steps):
        if isinstance(step, Move):  # onto nothing: it could free clusters that a name still leads to
            at = state
            for done in steps[:position]:
                at = apply(at, done, "N")
            assert not at.has(step.target), step


@pytest.mark.parametrize(("name", "swap"), ALL)
def test_update_to_an_image_that_fails_comes_back(name: str, swap: bool) -> None:
    before, running = BEGINNINGS[name]
    first, state = settled(before, running)
    steps = generations.update(state, running, "N", swap=swap, counted=True, drop_old=False)
    check(before, first + steps, "N", {"bad", "N"}, "A")
    for step in steps:
        state = apply(state, step, "N")
    assert boots(state, {"bad", "N"})[:4] == ["N", "N", "N", "A"]


@pytest.mark.parametrize(("name", "swap"), ALL)
def test_update_that_needs_the_space(name: str, swap: bool) -> None:
    before, running = BEGINNINGS[name]
    first, state = settled(before, running)
    steps = generations.update(state, running, "N", swap=swap, counted=True, drop_old=True)
    check(before, first + steps, "N", {"bad", "N"}, "A")


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("name", [name for name in BEGINNINGS if name not in ("first", "cut before the exchange")])
def test_rollback(name: str, swap: bool) -> None:
    before, running = BEGINNINGS[name]
    first, state = settled(before, running)
    steps = generations.rollback(state, running, swap=swap)
    wanted = "A" if running is not C else "O"
    check(before, first + steps, "", {"bad"}, wanted)
    if running is C:  # and on to where it came from, if that one fails
        check(before, first + steps, "", {"bad", "O"}, "A")


def test_rollback_without_a_previous_image() -> None:
    with pytest.raises(UsageError, match="no previous image"):
        generations.rollback(State({C: "A"}), C, swap=True)


def test_an_image_that_cannot_say_that_it_is_good_is_not_counted() -> None:
    steps = generations.update(State({C: "A"}), C, "N", swap=True, counted=False, drop_old=False)
    assert [step.env.tries for step in steps if isinstance(step, SetEnv)] == [None, None]


@pytest.mark.parametrize(
    ("state", "running", "steps"),
    [
        (State({C: "A"}, Env(2)), C, [SetEnv(Env())]),
        (State({C: "A"}), C, []),
        (State({C: "N", OLD: "A"}, Env(0)), OLD, []),
        (State({C: "N", OLD: "A"}, Env(2)), OLD, []),
    ],
)
def test_good(state: State, running: Name, steps: list[Step]) -> None:
    assert generations.mark_good(state, running) == steps


def test_system_new_counts_only_if_verified() -> None:
    state = State({NEW: "half", OLD: "O"})
    assert start(state)[0] is OLD
    assert start(replace(state, env=Env(None, "N")))[0] is NEW
    assert tidy(State({C: "A", NEW: "half"}), C)[1] == State({C: "A"})
    kept = State({C: "A", NEW: "N"}, Env(3, "N"))
    assert tidy(kept, C)[1] == kept
