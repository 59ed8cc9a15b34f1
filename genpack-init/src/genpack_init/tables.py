# SPDX-License-Identifier: MIT
"""The keys that plugins say they read: their module-level SYSTEM_INI tables, read without running the plugin."""

from __future__ import annotations

import ast
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from genpack_init.errors import GenpackInitError, Interrupt
from genpack_init.isolation import Surroundings
from genpack_init.plugins import describe as describe_error
from genpack_init.plugins import load
from genpack_init.systemini import DEFAULT_SECTION, get_boolean
from genpack_init.values import read_keys

if TYPE_CHECKING:
    from genpack_init.systemini import SystemIni

FIELDS = ("section", "key", "type", "default", "help")
OPTIONAL = ("allowed", "group", "secret", "choices", "pattern", "minimum", "maximum")
TYPES = ("bool", "str", "int", "list", "text")


@dataclass(frozen=True)
class Key:
    """A row of a SYSTEM_INI table. `section` may be a pattern such as "network:*".

    `allowed` says in words what `choices` (words in lower case), `pattern` (a regular expression, of what Python's and
    JavaScript's have in common, that fits a whole word, line or value), `minimum` and `maximum` say exactly. `group`:
    the heading that a form has it under.
    """

    section: str
    key: str
    type: str
    default: object
    help: str
    allowed: str = ""
    group: str = ""
    secret: bool = False
    choices: list[str] | None = None
    pattern: str | None = None
    minimum: int | None = None
    maximum: int | None = None

    def matches(self, section: str, key: str) -> bool:
        """True if this row describes that key of a file."""
        return key == self.key and fnmatchcase(section, self.section)


@dataclass(frozen=True)
class Plugin:
    """A plugin's file, its keys, and what is wrong with its table (None if nothing).

    `checks`: it has a function `check(ini)` of its own.
    """

    name: str
    keys: tuple[Key, ...]
    error: str | None = None
    path: str = ""
    checks: bool = False


def describe(path: str) -> Plugin:
    """Read the table of one plugin. A file without a table has no keys. Never raises for what a file holds."""
    name = os.path.basename(path)
    try:
        tree = _parse(path)
        checks = any(isinstance(node, ast.FunctionDef) and node.name == "check" for node in tree.body)
        return Plugin(name, tuple(_rows(tree)), None, path, checks)
    except (GenpackInitError, OSError, SyntaxError, ValueError) as error:
        return Plugin(name, (), str(error), path)


def _parse(path: str) -> ast.Module:
    with open(path, "rb") as file:
        return ast.parse(file.read(), path)


def _rows(tree: ast.Module) -> list[Key]:
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
            return [Key(**{**row, "section": section}) for row in map(_row, table) for section in _sections(row)]
    return []


def _sections(row: dict[str, Any]) -> list[str]:
    """A row may be that of several sections."""
    sections = row["section"]
    return list(sections) if isinstance(sections, list | tuple) else [sections]


def _row(row: object) -> dict[str, Any]:
    fields = dict(zip(FIELDS, row, strict=False)) if isinstance(row, tuple | list) and len(row) <= len(FIELDS) else row
    if not isinstance(fields, dict) or set(FIELDS) - set(fields) or set(fields) - set(FIELDS) - set(OPTIONAL):
        needs = f"{', '.join(FIELDS)} (and may have {', '.join(OPTIONAL)})"
        raise GenpackInitError(f"SYSTEM_INI: a row needs {needs}: {row!r}")
    try:
        re.compile(fields.get("pattern") or "")
    except re.error as error:
        raise GenpackInitError(f"SYSTEM_INI: {fields['key']}: the pattern is none: {error}") from error
    if not all(isinstance(section, str) for section in _sections(fields)):
        raise GenpackInitError(f"SYSTEM_INI: {fields['key']}: a section is a name, or a list of names")
    if fields["type"] not in TYPES:
        raise GenpackInitError(f"SYSTEM_INI: type {fields['type']!r} is none of {', '.join(TYPES)}")
    return fields


def bad_values(ini: SystemIni, plugins: list[Plugin]) -> tuple[list[str], list[str]]:
    """(lines about values that are not allowed, lines about plugins that could not say), by each plugin's own rules.

    A plugin's `check(ini)` is called if it has one; of the others, each value is held against its row.
    """
    lines, broken = [], []
    with logged_errors() as found:
        for plugin in plugins:
            before = Surroundings()
            try:
                if plugin.checks:
                    load(plugin.path).check(ini.copy())
                else:
                    _check_rows(ini, plugin.keys)
            except Interrupt:
                raise
            except BaseException as error:
                broken.append(f"{plugin.name}: check() failed: {describe_error(error)}")
            before.restore()
        lines += found
    return lines, broken


def _check_rows(ini: SystemIni, keys: tuple[Key, ...]) -> None:
    for key in keys:
        for section in ini.sections():
            if fnmatchcase(section, key.section):
                if key.type == "bool":
                    get_boolean(ini, section, key.key)
                else:
                    read_keys(ini, asdict(key), section=section)


@contextmanager
def logged_errors() -> Iterator[list[str]]:
    """The error lines that are logged while it lasts, which go nowhere else."""
    found: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]  # one use
    root = logging.getLogger()
    handlers = root.handlers[:]
    root.handlers[:] = [handler]
    try:
        yield found
    finally:
        root.handlers[:] = handlers


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
OWN = Key(DEFAULT_SECTION, "debug", "bool", False, "log in detail", group="System")
