# SPDX-License-Identifier: MIT
"""Gentoo's dependency strings, as LICENSE and SRC_URI use them (Package Manager Specification, chapter 8): words,
`flag? ( ... )`, `|| ( ... )` and plain groups. USE conditionals are resolved while reading."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """All of the items, or one of them (`||`)."""

    one_of: bool
    items: tuple[Item, ...]


Item = str | Group


def parse(text: str, use: Collection[str]) -> Group:
    """The string's items that the USE flags leave. What is not balanced raises ValueError."""
    words = iter(text.split())
    items, closed = _items(words, use)
    if closed:
        raise ValueError(f"a ')' too much in '{text}'")
    return Group(one_of=False, items=tuple(items))


def _items(words: Iterator[str], use: Collection[str]) -> tuple[list[Item], bool]:
    """Items up to the group's end; whether there was a ')'."""
    items: list[Item] = []
    for word in words:
        if word == ")":
            return items, True
        if word == "(" or word == "||" or (word.endswith("?") and len(word) > 1):
            if word != "(" and next(words, "") != "(":
                raise ValueError(f"no '(' after '{word}'")
            inner, closed = _items(words, use)
            if not closed:
                raise ValueError(f"no ')' for '{word}'")
            if word == "||":
                items.append(Group(one_of=True, items=tuple(inner)))
            elif word == "(":
                items.append(Group(one_of=False, items=tuple(inner)))
            elif _holds(word[:-1], use):
                items += inner
        else:
            items.append(word)
    return items, False


def _holds(condition: str, use: Collection[str]) -> bool:
    return condition[1:] not in use if condition.startswith("!") else condition in use


def leaves(group: Group) -> Iterator[str]:
    """Every word below a group, in order."""
    for item in group.items:
        if isinstance(item, Group):
            yield from leaves(item)
        else:
            yield item
