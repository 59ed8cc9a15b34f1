# SPDX-License-Identifier: MIT
"""Reads the simple shapes that values have: strings, numbers, lists, objects. What is wrong is noted, not raised."""

from __future__ import annotations

from collections.abc import Iterator

from genpack.json5 import Member, Node
from genpack.problems import Problems, suggest

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


def string(problems: Problems, node: Node, path: str) -> str | None:
    if node.kind != "string":
        wrong_type(problems, node, path, "a string")
        return None
    assert isinstance(node.value, str)
    if not node.value.strip():
        problems.add(node.line, path, "is empty", "give a value or leave the key out")
        return None
    if "\0" in node.value or ("\n" in node.value and not path.startswith("setup_commands")):
        problems.add(node.line, path, "has a line break or a NUL in it", "write it in one line")
        return None
    return node.value


def boolean(problems: Problems, node: Node, path: str) -> bool | None:
    if node.kind != "boolean":
        wrong_type(problems, node, path, "true or false")
        return None
    return bool(node.value)


def strings(problems: Problems, node: Node, path: str) -> list[tuple[int, str]]:
    """A list of strings, with their lines."""
    if node.kind != "list":
        wrong_type(problems, node, path, "a list of strings")
        return []
    found = []
    for index, item in enumerate(node.items):
        text = string(problems, item, f"{path}[{index}]")
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
