# SPDX-License-Identifier: MIT
"""Small TOML files that a person may have edited: every key is known, every value has its type, and what is wrong is
told with its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genpack.errors import UsageError
from genpack.problems import suggest

_NAMES = {str: "a string", int: "a number", list: "a list of strings", dict: "a table"}
_HEADER = re.compile(r"\s*\[\[?\s*(?P<key>[^\[\]]+?)\s*\]")
_KEY = re.compile(r"\s*(?P<key>[\w\"'. -]+?)\s*=")


def read(path: Path, shown: str) -> Table | None:
    """The file's top table; None if there is no such file. `shown` names the file in messages. Raises UsageError."""
    import tomllib

    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError(f"{shown}:{line}: is not UTF-8", tip="save the file as UTF-8") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, _, place = str(error).rpartition(" (at ")
        found = re.match(r"line (\d+)", place)
        line = int(found[1]) if found else max(1, len(text.splitlines()))
        raise UsageError(f"{shown}:{line}: {what or error}", tip="correct the TOML syntax") from error
    except RecursionError as error:
        raise UsageError(f"{shown}: is nested too deeply", tip="correct the file") from error
    return Table(shown, values, (), _lines(text))


@dataclass(frozen=True)
class Table:
    """A table of the file; `at` is its key. `lines` gives the line of each key."""

    shown: str
    values: Mapping[str, Any]
    at: tuple[str, ...]
    lines: Mapping[tuple[str, ...], int]

    def wrong(self, key: str | None, what: str, advice: str) -> UsageError:
        """`FILE:LINE: KEY: what is wrong; what to do`. Without a key it is about the table."""
        full = self.at if key is None else (*self.at, key)
        line = next((self.lines[full[:n]] for n in range(len(full), 0, -1) if full[:n] in self.lines), 1)
        return UsageError(f"{self.shown}:{line}: {'.'.join(full) or 'file'}: {what}; {advice}")

    def only(self, known: Iterable[str], what: str = "unknown key") -> None:
        """Raises UsageError for a key that is not one of these."""
        names = list(known)
        for key in self.values:
            if key not in names:
                raise self.wrong(key, what, suggest(key, names))

    def value(self, key: str, kind: type, *, required: bool = True) -> Any:
        """A value of this type; None if it may be missing and is."""
        if key not in self.values:
            if required:
                raise self.wrong(None, f"has no {key}", "add it")
            return None
        found = self.values[key]
        # type(): a bool is no number here.
        if type(found) is not kind or (isinstance(found, list) and not all(isinstance(item, str) for item in found)):
            raise self.wrong(key, f"must be {_NAMES[kind]}", "correct it")
        return found

    def text(self, key: str, good: Callable[[str], object], what: str) -> str:
        """A string that `good` accepts; `what` says which those are."""
        found: str = self.value(key, str)
        if not good(found):
            raise self.wrong(key, f"'{found[:80]}' is not {what}", "correct it")
        return found

    def number(self, key: str, least: int) -> int:
        found: int = self.value(key, int)
        if found < least:
            raise self.wrong(key, f"{found} is less than {least}", "correct it")
        return found

    def table(self, key: str) -> Table | None:
        """A table in this one; None if it is missing."""
        found = self.value(key, dict, required=False)
        return None if found is None else Table(self.shown, found, (*self.at, key), self.lines)

    def tables(self) -> Iterator[tuple[str, Table]]:
        """Every value here, each of which must be a table."""
        for key in self.values:
            inner = self.table(key)
            assert inner is not None
            yield key, inner


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """Key -> its line, for messages: tomllib does not tell. (A line in a multi-line string may look like a key; then a
    message names another line.)"""
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _parts(header["key"])
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            found.setdefault((*table, *_parts(key["key"])), number)
    return found


def _parts(dotted: str) -> tuple[str, ...]:
    """`a."b.c"` -> (a, b.c)."""
    import tomllib

    try:
        value: Any = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:
        return (dotted,)
    parts = []
    while isinstance(value, dict):
        (key,) = value
        parts.append(key)
        value = value[key]
    return tuple(parts)
