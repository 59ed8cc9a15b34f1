# SPDX-License-Identifier: MIT
"""Adds entries to a JSON5 text. What is there keeps its comments and layout; each new entry says where it is from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from genpack_artifacts.spans import Span, spans

WIDTH = 100


def dump(value: Any, indent: str) -> str:
    """A value as JSON5 text: on one line if it is short, else an entry a line."""
    line = json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        line = "{ " + ", ".join(f"{_key(k)}: {dump(v, '')}" for k, v in value.items()) + " }" if value else "{}"
    if not isinstance(value, dict | list) or not value or len(indent) + len(line) <= WIDTH:
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        entries = [f"{_key(k)}: {dump(v, inner)}" for k, v in value.items()]
        brackets = "{}"
    else:
        entries, brackets = [dump(v, inner) for v in value], "[]"
    return brackets[0] + "\n" + "".join(f"{inner}{entry},\n" for entry in entries) + indent + brackets[1]


def _key(key: str) -> str:
    return key if key.isidentifier() and key.isascii() else json.dumps(key, ensure_ascii=False)


def find(text: str, path: tuple[str, ...]) -> Span | None:
    """The value at a path of keys, None if it is not there."""
    found: Span | None = spans(text)
    for key in path:
        found = found.members.get(key) if found else None
    return found


def append(text: str, path: tuple[str, ...], items: list[Any], reference: str) -> str:
    """The text with items at the end of the list at a path."""
    return _insert(text, _there(text, path), [dump(item, "") for item in items], reference)


def add(text: str, path: tuple[str, ...], members: Mapping[str, Any], reference: str) -> str:
    """The text with new members at the end of the object at a path."""
    place = _there(text, path)
    indent = _indent_of(text, place)
    entries = [f"{_key(key)}: {dump(value, indent)}" for key, value in members.items()]
    return _insert(text, place, entries, reference)


def replace(text: str, path: tuple[str, ...], value: Any, reference: str) -> str:
    """The text with another value at a path."""
    place = _there(text, path)
    return f"{text[: place.start]}{dump(value, '')} /* {reference} */{text[place.end :]}"


def _there(text: str, path: tuple[str, ...]) -> Span:
    place = find(text, path)
    assert place is not None, path
    return place


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _blank_before(text: str, at: int) -> str:
    """The white space that the line of a position begins with."""
    start = _line_start(text, at)
    line = text[start:at]
    return line[: len(line) - len(line.lstrip())]


def _indent_of(text: str, place: Span) -> str:
    """How far the entries of an object or a list are indented."""
    for child in place.children:
        if "\n" in text[place.start : child.start]:
            return _blank_before(text, child.start)
    return _blank_before(text, place.end - 1) + "  "


def _insert(text: str, place: Span, entries: list[str], reference: str) -> str:
    close = place.end - 1
    start = _line_start(text, close)
    if text[start:close].strip() or start <= place.start:
        return _insert_inline(text, place, entries, reference)
    indent = _indent_of(text, place)
    end = "\r\n" if "\r\n" in text else "\n"
    lines = "".join(f"{indent}{entry}, // {reference}\n" for entry in entries).replace("\n", end)
    if place.children and not place.comma:
        last = place.children[-1].end
        return f"{text[:last]},{text[last:start]}{lines}{text[start:]}"
    return text[:start] + lines + text[start:]


def _insert_inline(text: str, place: Span, entries: list[str], reference: str) -> str:
    """Where the closing bracket has no line of its own."""
    added = ", ".join(f"{entry} /* {reference} */" for entry in entries)
    pad = " " if text[place.start] == "{" else ""
    if not place.children:
        return f"{text[: place.start + 1]}{pad}{added}{pad}{text[place.end - 1 :]}"
    if not place.comma:
        last = place.children[-1].end
        text, close = f"{text[:last]},{text[last:]}", place.end
    else:
        close = place.end - 1
    return f"{text[:close].rstrip()} {added}{pad}{text[close:]}"
