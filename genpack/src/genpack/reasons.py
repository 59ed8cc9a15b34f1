# SPDX-License-Identifier: MIT
"""Why a phase must run: the part of its inputs that changed, down to the file, the package or the flag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: Entries that a text names at most; `genpack plan --json` has all of them.
NAMED = 6
#: Characters that a text shows of one of them.
LENGTH = 50
#: The part that stands for what was changed with `genpack upper-bash`.
BY_HAND = "upper-bash"
#: Parts whose name alone would not say what they are.
_LABELS = {"overlay": "genpack-overlay", "genpack": "genpack's own work in this phase"}


@dataclass(frozen=True)
class Reason:
    """`part`: the input, None if it is about what lies on disk. `added`, `removed`, `changed`: names in that part;
    `old`, `new`: the value of a part that has one."""

    part: str | None
    text: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    old: str | None = None
    new: str | None = None


NOT_BUILT = Reason(None, "not built yet")
NOT_FINISHED = Reason(None, "the last run did not finish")


def after(phase: str) -> Reason:
    """A phase has no reason of its own but that the one before it runs."""
    return Reason(phase, f"{phase} runs before it")


def of(part: str, before: object, now: object) -> Reason:
    """The reason that a part changed from `before` to `now`, as far as these tell."""
    if part.endswith("/") and (isinstance(before, dict) or isinstance(now, dict)):
        return _folder(part, before if isinstance(before, dict) else {}, now if isinstance(now, dict) else {})
    label = _LABELS.get(part, part)
    if part == BY_HAND:
        what = "was changed with" if now else "no longer holds what was changed with"
        return Reason(part, f"the upper layer {what} upper-bash")
    if isinstance(before, list | dict) and isinstance(now, list | dict):
        return _names(part, label, before, now)
    if isinstance(before, str | bool | int) or isinstance(now, str | bool | int):
        old, new = _word(before), _word(now)
        if old != new:
            return Reason(part, f"{label} changed: {old} -> {new}", old=old, new=new)
    return Reason(part, f"{label} changed")


def _word(value: object) -> str:
    match value:
        case None | "":
            return "none"
        case bool():
            return str(value).lower()
    return str(value)


def _short(name: str) -> str:
    """A name that fits into a line: setup commands may have many."""
    first = next(iter(name.strip().splitlines()), "")
    return first if first == name and len(first) <= LENGTH else f"{first[: LENGTH - 3]}..."


def _compared(before: Mapping[str, object], now: Mapping[str, object]) -> tuple[list[str], list[str], list[str]]:
    """Names that were added, removed, changed."""
    added = [name for name in now if name not in before]
    removed = [name for name in before if name not in now]
    return added, removed, [name for name in now if name in before and before[name] != now[name]]


def _folder(part: str, before: Mapping[str, str], now: Mapping[str, str]) -> Reason:
    added, removed, changed = ([part + name for name in names] for names in _compared(before, now))
    told = [(name, what) for names, what in ((added, "added"), (removed, "removed")) for name in _leaves(names)]
    told = sorted([*told, *((name, "changed") for name in changed)])
    texts = [f"{name} {what}" for name, what in told[:NAMED]]
    if len(told) > NAMED:
        texts.append(f"{len(told) - NAMED} more in {part}")
    return Reason(part, ", ".join(texts) or f"{part} changed", tuple(added), tuple(removed), tuple(changed))


def _leaves(names: list[str]) -> list[str]:
    """Without the folders of what is named anyway."""
    folders = {name.rsplit("/", 1)[0] for name in names}
    return [name for name in names if name not in folders]


def _names(part: str, label: str, before: list[str] | dict[str, str], now: list[str] | dict[str, str]) -> Reason:
    one = before if isinstance(before, dict) else dict.fromkeys(before, "")
    two = now if isinstance(now, dict) else dict.fromkeys(now, "")
    added, removed, changed = _compared(one, two)
    words = [f"{sign}{_short(name)}" for sign, names in (("+", added), ("-", removed), ("", changed)) for name in names]
    if len(words) > NAMED:
        words = [*words[:NAMED], f"and {len(words) - NAMED} more"]
    return Reason(
        part, f"{label} changed: {' '.join(words) or 'the order'}", tuple(added), tuple(removed), tuple(changed)
    )
