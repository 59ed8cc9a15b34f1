# SPDX-License-Identifier: MIT
"""Reads the keys `users` and `groups`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from genpack.json5 import Node
from genpack.model import Group, User
from genpack.problems import Problems
from genpack.shapes import Schema, Shape, boolean, fields, integer, string, whole, words, words_schema, wrong_type

ACCOUNT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}\$?")
MAX_ID = 2**32 - 2

# The fields of a user, with the hyphen spellings that definitions in the wild use.
_USER = {
    name: name
    for name in ("name", "uid", "comment", "home", "shell", "initial_group", "additional_groups", "create_home")
} | {
    "empty_password": "empty_password",
    "create-home": "create_home",
    "initial-group": "initial_group",
    "additional-groups": "additional_groups",
    "empty-password": "empty_password",
}


def read_users(problems: Problems, node: Node, path: str) -> tuple[User, ...]:
    found = []
    for line, where, item in _accounts(problems, node, path):
        if isinstance(item, str):
            found.append(User(item, line=line))
            continue
        given = fields(problems, item, where, _USER)
        name = _account_name(problems, given, item.line, where)
        if name is None:
            continue
        values: dict[str, Any] = {}
        if "uid" in given:
            values["uid"] = integer(problems, given["uid"], f"{where}.uid", MAX_ID)
            if values["uid"] == 0 and name != "root":
                problems.add(given["uid"].line, f"{where}.uid", "0 is root's", "give another uid")
        for key in ("comment", "home", "shell", "initial_group"):
            if key in given:
                values[key] = _passwd_field(problems, given[key], f"{where}.{key}", absolute=key in {"home", "shell"})
        if "additional_groups" in given:
            values["additional_groups"] = _group_names(problems, given["additional_groups"], where)
        for key in ("create_home", "empty_password"):
            if key in given:
                value = boolean(problems, given[key], f"{where}.{key}")
                values[key] = value if value is not None else key == "create_home"
        found.append(User(name, line=item.line, **values))
    return _no_twins(problems, found, path)


def read_groups(problems: Problems, node: Node, path: str) -> tuple[Group, ...]:
    found = []
    for line, where, item in _accounts(problems, node, path):
        if isinstance(item, str):
            found.append(Group(item, line=line))
            continue
        given = fields(problems, item, where, {"name": "name", "gid": "gid"})
        name = _account_name(problems, given, item.line, where)
        if name is not None:
            gid = integer(problems, given["gid"], f"{where}.gid", MAX_ID) if "gid" in given else None
            if gid == 0 and name != "root":
                problems.add(given["gid"].line, f"{where}.gid", "0 is root's", "give another gid")
            found.append(Group(name, gid, line=item.line))
    return _no_twins(problems, found, path)


def _accounts(problems: Problems, node: Node, path: str) -> Iterator[tuple[int, str, str | Node]]:
    """(line, key path, name or object) of each entry of `users` or `groups`."""
    if node.kind != "list":
        wrong_type(problems, node, path, "a list of names or objects")
        return
    for index, item in enumerate(node.items):
        where = f"{path}[{index}]"
        if item.kind == "object":
            yield item.line, where, item
        elif item.kind != "string":
            wrong_type(problems, item, where, "a name or an object")
        else:
            name = string(problems, item, where)
            if name is not None and _good_name(problems, name, item.line, where):
                yield item.line, where, name


def _good_name(problems: Problems, name: str, line: int, where: str) -> bool:
    if ACCOUNT_NAME.fullmatch(name):
        return True
    problems.add(line, where, f"'{name}' is no account name", "use up to 32 letters, digits and _ - . only")
    return False


def _account_name(problems: Problems, given: dict[str, Node], line: int, where: str) -> str | None:
    if "name" not in given:
        problems.add(line, where, "has no name", "add 'name'")
        return None
    name = string(problems, given["name"], f"{where}.name")
    if name is None or not _good_name(problems, name, given["name"].line, f"{where}.name"):
        return None
    return name


def _passwd_field(problems: Problems, node: Node, path: str, *, absolute: bool) -> str | None:
    text = string(problems, node, path)
    if text is not None and ":" in text:
        problems.add(node.line, path, "has a ':' in it, which /etc/passwd can't hold", "leave it out")
        return None
    if text is not None and path.endswith(".initial_group") and not text.isdecimal():
        return text if _good_name(problems, text, node.line, path) else None
    if text is not None and absolute and not text.startswith("/"):
        problems.add(node.line, path, f"'{text}' is no absolute path", "begin it with '/'")
        return None
    return text


def _group_names(problems: Problems, node: Node, where: str) -> tuple[str, ...]:
    path = f"{where}.additional_groups"
    found = []
    for line, text in words(problems, node, path):
        for name in filter(None, text.split(",")):
            if _good_name(problems, name, line, path):
                found.append(name)
    return tuple(found)


def _no_twins(problems: Problems, found: list[Any], path: str) -> tuple[Any, ...]:
    """The accounts without those whose name came before."""
    first: dict[str, Any] = {}
    for account in found:
        if account.name in first:
            what = f"'{account.name}' is there twice, first in line {first[account.name].line}"
            problems.add(account.line, path, what, "leave one")
        else:
            first[account.name] = account
    return tuple(first.values())


def _schema(properties: dict[str, Schema], spellings: dict[str, str]) -> dict[str, object]:
    """A list of names, or of objects whose members are spelled in one of these ways."""
    members = {spelling: properties[name] for spelling, name in spellings.items()}
    entry = {"type": "object", "required": ["name"], "additionalProperties": False, "properties": members}
    return {"type": "array", "items": {"anyOf": [_NAME, entry]}}


_NAME = whole(ACCOUNT_NAME.pattern)
_ID = {"type": "integer", "minimum": 0, "maximum": MAX_ID}
_FIELD: Schema = {"type": "string", "pattern": r"^[^:\n\r\0]*[^:\s\0][^:\n\r\0]*$"}
_PATH: Schema = {"type": "string", "pattern": r"^/[^:\n\r\0]*$"}
_FIELDS: dict[str, Schema] = {
    "name": _NAME,
    "uid": _ID,
    "comment": _FIELD,
    "home": _PATH,
    "shell": _PATH,
    "initial_group": whole(rf"{ACCOUNT_NAME.pattern}|[0-9]+"),
    "additional_groups": words_schema(rf",*{ACCOUNT_NAME.pattern}(?:,+(?:{ACCOUNT_NAME.pattern})?)*"),
    "create_home": {"type": "boolean"},
    "empty_password": {"type": "boolean"},
}
USERS = Shape(read_users, _schema(_FIELDS, _USER), "list of names or objects")
_GROUP_FIELDS: dict[str, Schema] = {"name": _NAME, "gid": _ID}
GROUPS = Shape(read_groups, _schema(_GROUP_FIELDS, {"name": "name", "gid": "gid"}), "list of names or objects")
