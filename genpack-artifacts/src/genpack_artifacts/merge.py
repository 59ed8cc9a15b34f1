# SPDX-License-Identifier: MIT
"""What of a stencil's definition an artifact's lacks, and where the two contradict each other. No file is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from genpack_artifacts import edit

#: Keys whose values are lists; two entries are the same if they are equal.
LISTS = ("packages", "buildtime_packages", "mask", "services", "setup_commands")
#: Lists of accounts: a name, or an object with `name`.
ACCOUNTS = ("users", "groups")
#: Maps from atoms to words.
MAPS = ("use", "accept_keywords", "license", "env")
#: What a stencil may hold: all that can be there beside what an artifact has of its own.
KEYS = (*LISTS, *ACCOUNTS, *MAPS)


@dataclass(frozen=True)
class Conflict:
    """Two values that can't both be: `where` (a key of the definition, or a file), what is there, what was to come."""

    where: str
    there: str
    new: str


@dataclass(frozen=True)
class Merged:
    """The text with what was added, one line of description each, and the conflicts."""

    text: str
    added: tuple[str, ...]
    conflicts: tuple[Conflict, ...]


def merge(text: str, target: dict[str, Any], stencil: dict[str, Any], reference: str) -> Merged:
    """A definition's text with what a stencil adds. `target` and `stencil` are the two as the parser gives them."""
    added: list[str] = []
    conflicts: list[Conflict] = []
    for key, new in stencil.items():
        if key not in target:
            text = edit.add(text, (), {key: new}, reference)
            added.append(f"{key}: {edit.dump(new, '')}")
            continue
        handle: Callable[..., Iterator[_Step]] = _map if key in MAPS else _accounts if key in ACCOUNTS else _list
        for step in handle(key, target[key], new):
            if step.conflict:
                conflicts.append(step.conflict)
                continue
            text = step.change(text, reference)
            added.append(step.says)
    return Merged(text, tuple(added), tuple(conflicts))


@dataclass(frozen=True)
class _Step:
    """One change, or why it can't be."""

    says: str
    change: Callable[[str, str], str]
    conflict: Conflict | None = None


def _conflict(where: str, there: Any, new: Any) -> _Step:
    return _Step("", lambda text, _reference: text, Conflict(where, edit.dump(there, ""), edit.dump(new, "")))


def _list(key: str, there: list[Any], new: list[Any]) -> Iterator[_Step]:
    if not isinstance(there, list):
        yield _conflict(key, there, new)
        return
    for item in new:
        if item in there:
            continue
        if key == "packages" and f"-{item}" in there:
            yield _conflict(f"{key}: {item}", f"-{item}", item)
            continue
        yield _append((key,), item)


def _append(path: tuple[str, ...], item: Any) -> _Step:
    says = f"{'.'.join(path)}: {edit.dump(item, '')}"
    return _Step(says, lambda text, reference: edit.append(text, path, [item], reference))


def _accounts(key: str, there: list[Any], new: list[Any]) -> Iterator[_Step]:
    known = {_name(account): account for account in there}
    for account in new:
        if _name(account) not in known:
            yield _append((key,), account)
        elif not _same_account(known[_name(account)], account):
            yield _conflict(f"{key}: {_name(account)}", known[_name(account)], account)


def _name(account: Any) -> str:
    return str(account["name"] if isinstance(account, dict) else account)


def _same_account(there: Any, new: Any) -> bool:
    """Whether an account has all that a stencil asks of it."""
    if not isinstance(new, dict):
        return True
    return isinstance(there, dict) and new.items() <= there.items()


def _map(key: str, there: dict[str, Any], new: dict[str, Any]) -> Iterator[_Step]:
    for atom, words in new.items():
        if atom not in there:
            yield _add(key, atom, words)
            continue
        have, want = _words(there[atom]), _words(words)
        missing = [word for word in want if word not in have]
        if not missing:
            continue
        # A word with a colon names the group of those behind it: their order is not ours to decide.
        opposite = [word for word in missing if _opposite(word) in have]
        if opposite or key != "use" or there[atom] is None or any(word.endswith(":") for word in have + want):
            yield _conflict(f"{key}: {atom}", there[atom], words)
            continue
        yield _extend(key, atom, there[atom], missing)


def _words(value: Any) -> list[str]:
    if value is None:
        return []
    words = value.split() if isinstance(value, str) else [word for entry in value for word in str(entry).split()]
    return [word.removeprefix("+") for word in words]


def _opposite(flag: str) -> str:
    return flag[1:] if flag.startswith("-") else f"-{flag}"


def _add(key: str, atom: str, words: Any) -> _Step:
    says = f"{key}: {atom}: {edit.dump(words, '')}"
    return _Step(says, lambda text, reference: edit.add(text, (key,), {atom: words}, reference))


def _extend(key: str, atom: str, value: Any, missing: list[str]) -> _Step:
    says = f"{key}: {atom}: {' '.join(missing)}"
    if isinstance(value, list):
        return _Step(says, lambda text, reference: edit.append(text, (key, atom), list(missing), reference))
    whole = " ".join([value, *missing])
    return _Step(says, lambda text, reference: edit.replace(text, (key, atom), whole, reference))
