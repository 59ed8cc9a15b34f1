# SPDX-License-Identifier: MIT
"""The keys that plugins say they read: their module-level SYSTEM_INI tables, read without running the plugin."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from genpack_init.errors import GenpackInitError
from genpack_init.systemini import DEFAULT_SECTION

if TYPE_CHECKING:
    from genpack_init.systemini import SystemIni

FIELDS = ("section", "key", "type", "default", "help")
OPTIONAL = {"allowed": "", "group": "", "secret": False}
TYPES = ("bool", "str", "int", "list", "text")


@dataclass(frozen=True)
class Key:
    """A row of a SYSTEM_INI table. `section` may be a pattern such as "network:*"."""

    section: str
    key: str
    type: str
    default: object
    help: str
    allowed: str = ""
    group: str = ""
    secret: bool = False

    def matches(self, section: str, key: str) -> bool:
        """True if this row describes that key of a file."""
        return key == self.key and fnmatchcase(section, self.section)


@dataclass(frozen=True)
class Plugin:
    """A plugin's file, its keys, and what is wrong with its table (None if nothing)."""

    name: str
    keys: tuple[Key, ...]
    error: str | None = None


def describe(path: str) -> Plugin:
    """Read the table of one plugin. A file without a table has no keys. Never raises for what a file holds."""
    name = os.path.basename(path)
    try:
        return Plugin(name, tuple(_rows(path)))
    except (GenpackInitError, OSError, SyntaxError, ValueError) as error:
        return Plugin(name, (), str(error))


def _rows(path: str) -> list[Key]:
    import ast

    with open(path, "rb") as file:
        tree = ast.parse(file.read(), path)
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(target, ast.Name) and target.id == "SYSTEM_INI" for target in targets):
            try:
                table = ast.literal_eval(node.value)
            except ValueError as error:
                raise GenpackInitError("SYSTEM_INI is not a table of plain values") from error
            if not isinstance(table, list | tuple):
                raise GenpackInitError("SYSTEM_INI is not a list")
            return [_row(row) for row in table]
    return []


def _row(row: object) -> Key:
    fields = dict(zip(FIELDS, row, strict=True)) if isinstance(row, tuple | list) else row
    if not isinstance(fields, dict) or set(FIELDS) - set(fields) or set(fields) - set(FIELDS) - set(OPTIONAL):
        needs = f"{', '.join(FIELDS)} (and may have {', '.join(OPTIONAL)})"
        raise GenpackInitError(f"SYSTEM_INI: a row needs {needs}: {row!r}")
    if fields["type"] not in TYPES:
        raise GenpackInitError(f"SYSTEM_INI: type {fields['type']!r} is none of {', '.join(TYPES)}")
    return Key(**fields)


def unread(ini: SystemIni, keys: list[Key]) -> list[str]:
    """A line for each key of the files that no plugin reads, with the nearest one that is read."""
    lines = []
    for (section, key), source in ini.sources.items():
        if not any(row.matches(section, key) for row in keys):
            where = key if section == DEFAULT_SECTION else f"[{section}] {key}"
            lines.append(f"{source}: {where}: no plugin reads this key{_nearest(section, key, keys)}")
    return lines


def _nearest(section: str, key: str, keys: list[Key]) -> str:
    import difflib

    for row in keys:  # the right key in the wrong place is likelier than a typo
        if row.key == key:
            place = "before the first section" if row.section == DEFAULT_SECTION else f"in [{row.section}]"
            return f"; it is read {place}"
    here = [row.key for row in keys if fnmatchcase(section, row.section)]
    near = difflib.get_close_matches(key, here, 1)
    return f"; did you mean {near[0]}?" if near else ""


#: Keys that genpack-init itself reads.
OWN = Key(DEFAULT_SECTION, "debug", "bool", False, "log in detail")
