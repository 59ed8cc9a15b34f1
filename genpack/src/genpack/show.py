# SPDX-License-Identifier: MIT
"""`genpack show`: a merged definition as the text of a definition that merges to the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields

from genpack.keys import KEYS
from genpack.model import AtomMap, Breaker, Compression, Definition, Group, User


def text(definition: Definition) -> str:
    """The definition as JSON (so JSON5 too), in the order of the keys' table, without keys that have their default."""
    shown = {key: _RENDERERS.get(key, _plain)(getattr(definition, key)) for key in KEYS}
    return json.dumps({key: value for key, value in shown.items() if value not in _EMPTY}, indent=2, ensure_ascii=False)


#: What a key that is not given stands for. (True == 1 and False == 0: no number is among them.)
_EMPTY: tuple[object, ...] = (None, False, [], {})


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _atom_map(entries: AtomMap) -> object:
    """Words as one string; none of them as an empty list, which a string can't say."""
    return {atom: words if words is None else " ".join(words) or [] for atom, words in entries.items()}


def _keywords(entries: AtomMap) -> object:
    return {atom: " ".join(words or ()) or None for atom, words in entries.items()}


def _compression(value: Compression) -> object:
    if value.level is not None:
        return {"algorithm": value.algorithm, "level": value.level}
    return None if value == Compression() else value.algorithm


def _breaker(value: Breaker | None) -> object:
    if value is None:
        return None
    return {"packages": list(value.packages), **({"use": " ".join(value.use)} if value.use else {})}


def _accounts(accounts: tuple[User | Group, ...]) -> object:
    """An account as its name, or as an object of what differs from the default."""
    shown: list[object] = []
    for account in accounts:
        given = {
            field.name: _plain(getattr(account, field.name))
            for field in fields(account)
            if field.compare and getattr(account, field.name) != field.default
        }
        shown.append(account.name if list(given) == ["name"] else given)
    return shown


_RENDERERS: dict[str, Callable[..., object]] = {
    "use": _atom_map,
    "license": _atom_map,
    "env": _atom_map,
    "accept_keywords": _keywords,
    "compression": _compression,
    "circulardep_breaker": _breaker,
    "users": _accounts,
    "groups": _accounts,
}
