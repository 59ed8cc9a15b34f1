# SPDX-License-Identifier: MIT
"""Reads the simple shapes that values have: strings, numbers, lists, objects. What is wrong is noted, not raised."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from genpack.json5 import Member, Node
from genpack.problems import Problems, suggest

Reader = Callable[[Problems, Node, str], Any]
Schema = Mapping[str, object]


@dataclass(frozen=True)
class Shape:
    """A form that values have. `read` gets problems, node and key path, and returns the value without what is wrong;
    `schema` says the same as JSON Schema; `words` to people."""

    read: Reader
    schema: Schema
    words: str


def whole(pattern: str) -> Schema:
    """The schema of strings that a pattern matches from end to end."""
    return {"type": "string", "pattern": f"^(?:{pattern})$"}


#: A string that is neither empty nor of several lines.
LINE: Schema = {"type": "string", "pattern": r"^[^\n\r\0]*[^\s\0][^\n\r\0]*$"}
#: The same with line breaks.
TEXT: Schema = {"type": "string", "pattern": r"[^\s\0]"}


def words_schema(pattern: str) -> Schema:
    """The schema of what `words` reads: words in a string, or in a list of strings."""
    line = whole(rf"[ \t]*(?:{pattern})(?:[ \t]+(?:{pattern}))*[ \t]*")
    return {"anyOf": [line, {"type": "array", "items": line}]}


_ARTICLE = {
    "object": "an object",
    "list": "a list",
    "string": "a string",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def wrong_type(problems: Problems, node: Node, path: str, wanted: str) -> None:
    problems.add(node.line, path, f"is {_ARTICLE[node.kind]}", f"it must be {wanted}")


def members(problems: Problems, node: Node, path: str) -> Iterator[Member]:
    """The members of an object; a key given twice is a problem, and its first value counts."""
    seen: dict[str, int] = {}
    for member in node.members:
        where = f"{path}.{member.key}" if path else member.key
        if member.key in seen:
            problems.add(member.line, where, f"given twice, first in line {seen[member.key]}", "leave one")
            continue
        seen[member.key] = member.line
        yield member


def string(problems: Problems, node: Node, path: str, *, multiline: bool = False) -> str | None:
    if node.kind != "string":
        wrong_type(problems, node, path, "a string")
        return None
    assert isinstance(node.value, str)
    if not node.value.strip():
        problems.add(node.line, path, "is empty", "give a value or leave the key out")
        return None
    if "\0" in node.value or (not multiline and ("\n" in node.value or "\r" in node.value)):
        problems.add(node.line, path, "has a line break or a NUL in it", "write it in one line")
        return None
    if any("\ud800" <= char <= "\udfff" for char in node.value):
        problems.add(node.line, path, "has half of a surrogate pair in it", "write the character itself")
        return None
    return node.value


def boolean(problems: Problems, node: Node, path: str) -> bool | None:
    if node.kind != "boolean":
        wrong_type(problems, node, path, "true or false")
        return None
    return bool(node.value)


def strings(problems: Problems, node: Node, path: str, *, multiline: bool = False) -> list[tuple[int, str]]:
    """A list of strings, with their lines."""
    if node.kind != "list":
        wrong_type(problems, node, path, "a list of strings")
        return []
    found = []
    for index, item in enumerate(node.items):
        text = string(problems, item, f"{path}[{index}]", multiline=multiline)
        if text is not None:
            found.append((item.line, text))
    return found


def words(problems: Problems, node: Node, path: str) -> list[tuple[int, str]]:
    """The words of a string, or of a list of strings."""
    if node.kind == "string":
        text = string(problems, node, path)
        return [(node.line, word) for word in (text or "").split()]
    if node.kind == "list":
        return [(line, word) for line, text in strings(problems, node, path) for word in text.split()]
    wrong_type(problems, node, path, "a string or a list of strings")
    return []


def fields(problems: Problems, node: Node, path: str, spellings: dict[str, str]) -> dict[str, Node]:
    """The known members of an object by their first spelling."""
    found: dict[str, Node] = {}
    for member in members(problems, node, path):
        where = f"{path}.{member.key}"
        if member.key not in spellings:
            known = dict.fromkeys(spellings.values())
            problems.add(member.line, where, "unknown key", suggest(member.key, known))
        elif spellings[member.key] in found:
            problems.add(member.line, where, f"given twice, also as '{spellings[member.key]}'", "leave one")
        else:
            found[spellings[member.key]] = member.value
    return found


def integer(problems: Problems, node: Node, path: str, most: int) -> int | None:
    if node.kind != "number" or not isinstance(node.value, int):
        wrong_type(problems, node, path, "a whole number")
        return None
    if not 0 <= node.value <= most:
        problems.add(node.line, path, f"{node.value} is out of range", f"use 0 to {most}")
        return None
    return node.value
