# SPDX-License-Identifier: MIT
"""The generations of an image: what the boot loader starts, what the initramfs puts in order, and the steps of an
update, a rollback and "this image is good". Pure: the same rules stand in data/grub.cfg and in dracut-genpack's
genpack-update.sh; docs/update.md has them as a table.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from genpack_install.errors import UsageError

#: How often an image may be started before it has to be found good.
TRIES = 3


class Name(Enum):
    """What an image is called: CURRENT `system.img` (`system` on the data partition), the others `system.cur` ..."""

    CURRENT = "img"
    CUR = "cur"
    NEW = "new"
    OLD = "old"


@dataclass(frozen=True)
class Env:
    """`grubenv`. `tries`: how many starts are left to an image not known to be good; 0: the previous image is started;
    None: it is good. `new`: beginning of the SHA-256 of the image that an update puts in place; None: no update is
    under way, and `system.new` is not to be trusted."""

    tries: int | None = None
    new: str | None = None


@dataclass(frozen=True)
class State:
    """What lies under each name (a name that is absent holds nothing), and `grubenv`."""

    images: dict[Name, str] = field(default_factory=dict)
    env: Env = Env()

    def has(self, name: Name) -> bool:
        """Whether an image has this name."""
        return name in self.images

    def named(self, changes: dict[Name, str | None]) -> State:
        """With other images under these names."""
        images = {name: image for name, image in {**self.images, **changes}.items() if image is not None}
        return replace(self, images=images)


@dataclass(frozen=True)
class Write:
    """The verified image to `system.new`."""

    def __str__(self) -> str:
        return "write the image as system.new, and read it back"


@dataclass(frozen=True)
class SetEnv:
    """`grubenv`, in one sector."""

    env: Env

    def __str__(self) -> str:
        tries = "none" if self.env.tries is None else str(self.env.tries)
        return f"boot loader's environment: tries {tries}, update under way: {'yes' if self.env.new else 'no'}"


@dataclass(frozen=True)
class Move:
    """One name gets the image of another, which holds nothing then."""

    source: Name
    target: Name

    def __str__(self) -> str:
        return f"rename {label(self.source)} to {label(self.target)}"


@dataclass(frozen=True)
class Swap:
    """Two names exchange their images."""

    one: Name
    other: Name

    def __str__(self) -> str:
        return f"exchange {label(self.one)} and {label(self.other)}"


@dataclass(frozen=True)
class Remove:
    """A name holds nothing any more."""

    name: Name

    def __str__(self) -> str:
        return f"remove {label(self.name)}"


Step = Write | SetEnv | Move | Swap | Remove


def label(name: Name) -> str:
    """A name for people; on the data partition the current image is called `system`."""
    return "the current image" if name is Name.CURRENT else f"system.{name.value}"


def apply(state: State, step: Step, new: str) -> State:
    """The state after a step. `new`: the image that an update brings."""
    images = state.images
    match step:
        case Write():
            return state.named({Name.NEW: new})
        case SetEnv(env):
            return replace(state, env=env)
        case Move(source, target):
            return state.named({source: None, target: images.get(source)})
        case Swap(one, other):
            return state.named({one: images.get(other), other: images.get(one)})
        case Remove(name):
            return state.named({name: None})


def order(env: Env) -> list[Name]:
    """The names that the boot loader tries, and so does the initramfs if it is told none."""
    verified = [Name.NEW] if env.new else []
    if env.tries == 0:
        return [Name.CUR, Name.OLD, *verified, Name.CURRENT]
    return [Name.CURRENT, Name.CUR, *verified, Name.OLD]


def start(state: State) -> tuple[Name | None, State]:
    """The boot loader: the name that it starts (None: nothing does), and the state with one try less."""
    picked = next((name for name in order(state.env) if state.has(name)), None)
    if state.env.tries:
        state = replace(state, env=replace(state.env, tries=state.env.tries - 1))
    return picked, state


def tidy(state: State, booted: Name) -> tuple[Name, State]:
    """The initramfs, before it opens the image: (the name it has then, the state)."""
    if not state.has(Name.CURRENT):
        return Name.CURRENT, apply(state, Move(booted, Name.CURRENT), "")
    if state.has(Name.CUR):
        state = apply(state, Move(Name.CUR, Name.OLD), "")
        booted = Name.OLD if booted is Name.CUR else booted
    elif booted is Name.NEW:
        return Name.OLD, apply(state, Move(Name.NEW, Name.OLD), "")
    if state.has(Name.NEW) and not state.env.new and booted is not Name.NEW:
        state = apply(state, Remove(Name.NEW), "")
    return booted, state


def settle(state: State, running: Name, *, exchanged: bool) -> list[Step]:
    """What is left of an update that was cut off. `exchanged`: the current image is the one that it brought."""
    steps: list[Step] = []
    if running is Name.CURRENT and state.has(Name.CUR):
        steps.append(Move(Name.CUR, Name.OLD))
    if state.env.new:
        if exchanged and state.has(Name.NEW) and running is Name.CURRENT:
            steps.append(Move(Name.NEW, Name.OLD))
        steps.append(SetEnv(replace(state.env, new=None)))
    return steps


def take_back(state: State, name: Name) -> list[Step]:
    """The image of `name` becomes the current one, which is dropped. Only names that hold nothing are renamed onto: a
    rename onto an image frees its clusters, maybe before its name is gone."""
    steps: list[Step] = [Remove(Name.NEW)] if state.has(Name.NEW) else []
    if state.has(Name.CURRENT):
        steps.append(Move(Name.CURRENT, Name.NEW))
    return [*steps, Move(name, Name.CURRENT), SetEnv(Env()), Remove(Name.NEW)]


def update(state: State, running: Name, new: str, *, swap: bool, counted: bool, drop_old: bool) -> list[Step]:
    """The steps of an update, on a settled state. `new`: the image's id. `swap`: the kernel can exchange names.
    `counted`: the new image can say that it is good. `drop_old`: its space is needed."""
    steps: list[Step] = []
    if running is not Name.CURRENT:
        steps = take_back(state, running)
        for step in steps:
            state = apply(state, step, new)
    elif state.has(Name.NEW):
        steps.append(Remove(Name.NEW))
    if drop_old and state.has(Name.OLD):
        steps.append(Remove(Name.OLD))
    tries = TRIES if counted else None
    steps += [Write(), SetEnv(Env(tries, new))]
    if swap:
        steps += [Swap(Name.NEW, Name.CURRENT), Move(Name.NEW, Name.CUR)]
    else:
        steps += [Move(Name.CURRENT, Name.CUR), Move(Name.NEW, Name.CURRENT)]
    steps.append(SetEnv(Env(tries)))
    return steps


def rollback(state: State, running: Name, *, swap: bool) -> list[Step]:
    """The steps back to the previous image, on a settled state. UsageError if there is none."""
    if state.has(Name.CUR):  # an update that was not started yet
        return take_back(state, Name.CUR)
    if not state.has(Name.OLD):
        raise UsageError("there is no previous image", tip="an update keeps the image that it replaces as system.old")
    if state.env.tries == 0 and running is Name.OLD:
        return take_back(state, Name.OLD)
    change: list[Step] = [Swap(Name.CURRENT, Name.OLD)]
    if not swap:
        change = [Move(Name.CURRENT, Name.CUR), Move(Name.OLD, Name.CURRENT)]
    return [SetEnv(Env(TRIES)), *change]


def mark_good(state: State, running: Name) -> list[Step]:
    """The image that runs is good: no more counting. Nothing if another than the current one runs."""
    if running is not Name.CURRENT or state.env.tries is None:
        return []
    return [SetEnv(replace(state.env, tries=None))]
