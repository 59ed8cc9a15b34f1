# SPDX-License-Identifier: MIT
"""`genpack packages`: what an image is made of, and how that differs from another image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from genpack import artifact, image, vardb
from genpack.image import Package
from genpack.log import Log
from genpack.settings import Settings

VERSION = 1


@dataclass(frozen=True)
class Change:
    """A package that differs. `old` or `new` is None if only one image has it; `what`: the fields that changed, of
    version, slot, use and license."""

    package: str
    old: Package | None
    new: Package | None
    what: tuple[str, ...]

    @property
    def kind(self) -> str:
        return "added" if self.old is None else "removed" if self.new is None else "changed"


@dataclass(frozen=True)
class _Key:
    """A package without its version: two slots of one are two."""

    name: str
    slot: str


def run(settings: Settings, log: Log, chosen: Path | None, *, diff: Path | None, as_json: bool) -> str:
    """The text for stdout. Raises UsageError if an image can't be read."""
    path = chosen or settings_image(settings, log)
    new = image.packages(path)
    if diff is None:
        return _json({"image": path.name, "packages": [_entry(p) for p in new]}) if as_json else listing(new)
    changes = compare(image.packages(diff), new)
    if as_json:
        return _json({"old": diff.name, "new": path.name, **grouped(changes)})
    return table(changes) or "no package differs\n"


def settings_image(settings: Settings, log: Log) -> Path:
    """The image of the artifact in the current folder."""
    return artifact.image_path(settings, artifact.load(settings, log, None))


def compare(old: Sequence[Package], new: Sequence[Package]) -> list[Change]:
    """What differs, by package. A package that moved to another slot, and is in one slot on both sides, is changed."""
    before, after = _by_key(old), _by_key(new)
    for key in sorted(before.keys() - after.keys(), key=_order):
        moved = [other for other in after.keys() - before.keys() if other.name == key.name]
        if len(moved) == 1 and [k.name for k in before].count(key.name) == 1:
            before[moved[0]] = before.pop(key)
    changes = []
    for key in sorted(before.keys() | after.keys(), key=_order):
        one, two = before.get(key), after.get(key)
        what = tuple(name for name in ("version", "slot", "use", "license") if _field(one, name) != _field(two, name))
        if what:
            changes.append(Change(key.name, one, two, what))
    return changes


def grouped(changes: Sequence[Change]) -> dict[str, object]:
    """The changes for JSON: lists `added`, `removed`, `changed`."""
    return {
        "added": [_entry(c.new) for c in changes if c.new and c.kind == "added"],
        "removed": [_entry(c.old) for c in changes if c.old and c.kind == "removed"],
        "changed": [
            {
                "package": c.package,
                **{name: {"old": _plain(_field(c.old, name)), "new": _plain(_field(c.new, name))} for name in c.what},
            }
            for c in changes
            if c.kind == "changed"
        ],
    }


def listing(found: Sequence[Package]) -> str:
    """A line a package: name with version, slot, licence, USE."""
    rows = [(p.name, p.slot, p.license or "-", " ".join(p.use)) for p in found]
    return _columns([("PACKAGE", "SLOT", "LICENSE", "USE"), *rows])


def table(changes: Sequence[Change]) -> str:
    """A line for each thing that differs."""
    rows = []
    for change in changes:
        old, new = (vardb.split(p.name)[2] if p else "" for p in (change.old, change.new))
        if change.kind != "changed":
            rows.append((change.kind, change.package, old or new))
            continue
        for name in change.what:
            rows.append(("changed", change.package, f"{name}: {describe(change, name)}"))
    return _columns([("", "PACKAGE", "WHAT"), *rows]) if rows else ""


def describe(change: Change, name: str) -> str:
    """`1.0 -> 1.1`; of USE flags those that came and went."""
    old, new = _field(change.old, name), _field(change.new, name)
    if isinstance(old, frozenset) and isinstance(new, frozenset):
        return " ".join([*(f"+{flag}" for flag in sorted(new - old)), *(f"-{flag}" for flag in sorted(old - new))])
    return f"{old or 'none'} -> {new or 'none'}"


def _field(package: Package | None, name: str) -> str | frozenset[str] | None:
    if package is None:
        return None
    if name == "version":
        return vardb.split(package.name)[2]
    return frozenset(package.use) if name == "use" else str(getattr(package, name))


def _plain(value: str | frozenset[str] | None) -> object:
    return sorted(value) if isinstance(value, frozenset) else value


def _entry(package: Package) -> dict[str, object]:
    category, name, version = vardb.split(package.name)
    return {**asdict(package), "name": f"{category}/{name}", "version": version}


def _by_key(found: Sequence[Package]) -> dict[_Key, Package]:
    result = {}
    for package in found:
        category, name, _ = vardb.split(package.name)
        result[_Key(f"{category}/{name}", package.slot.partition("/")[0])] = package
    return result


def _order(key: _Key) -> tuple[str, str]:
    return key.name, key.slot


def _columns(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    lines = ["  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[-1]]) for row in rows]
    return "".join(line.rstrip() + "\n" for line in lines)


def _json(content: dict[str, object]) -> str:
    return json.dumps({"version": VERSION, **content}, indent=2, ensure_ascii=False) + "\n"
