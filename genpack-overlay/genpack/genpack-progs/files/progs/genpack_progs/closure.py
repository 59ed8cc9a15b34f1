# SPDX-License-Identifier: MIT
"""The runtime closure: which installed packages an image is made of, and who needs each of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .deps import Node, wanted
from .errors import ProgsError


class Database(Protocol):
    """The installed packages, as the closure sees them. A package is named by its cpv, category/name-version."""

    def find(self, atom: str) -> str | None:
        """The best installed package that matches an atom."""

    def provided(self, atom: str) -> bool:
        """Is the atom satisfied outside of Portage (package.provided)?"""

    def versions(self, atom: str) -> Sequence[str]:
        """Installed packages of the atom's name, whatever version, slot and USE it asks for."""

    def ignored(self, cpv: str) -> bool:
        """Does the package inherit genpack-ignore?"""

    def dependencies(self, cpv: str) -> Node:
        """RDEPEND and PDEPEND of a package, USE conditionals resolved."""


@dataclass
class Closure:
    """Packages of an image in closure order: after everything they need (a cycle is cut where it is entered)."""

    packages: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    needed_by: dict[str, set[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Frame:
    """A package whose dependencies are being visited."""

    cpv: str
    rest: Iterator[tuple[str, ...]]


def resolve(db: Database, roots: Mapping[str, Iterable[str]]) -> Closure:
    """Return the closure of the sets in `roots` (set name, such as "@profile", to its atoms).

    Raises ProgsError that lists every package that is needed and missing, and who needs it.
    """
    closure = Closure()
    missing: dict[tuple[str, ...], set[str]] = {}
    seen: set[str] = set()
    for name, atoms in roots.items():
        frames = [_Frame(name, iter([(atom,) for atom in atoms]))]
        while frames:
            frame = frames[-1]
            group = next(frame.rest, None)
            if group is None:
                frames.pop()
                if frames:
                    closure.packages.append(frame.cpv)
                continue
            cpv = _find(db, group, frame.cpv, missing)
            if cpv is None:
                continue
            if cpv not in seen:
                seen.add(cpv)
                if db.ignored(cpv):
                    closure.ignored.append(cpv)
                else:
                    frames.append(_Frame(cpv, wanted(db.dependencies(cpv), lambda a: _present(db, a))))
            closure.needed_by.setdefault(cpv, set()).add(frame.cpv)
    if missing:
        raise _incomplete(db, missing)
    return closure


def _present(db: Database, atom: str) -> bool:
    return db.find(atom) is not None or db.provided(atom)


def _find(db: Database, group: tuple[str, ...], needer: str, missing: dict[tuple[str, ...], set[str]]) -> str | None:
    cpv = db.find(group[0]) if len(group) == 1 else None
    if cpv is None and not (len(group) == 1 and db.provided(group[0])):
        missing.setdefault(group, set()).add(needer)
    return cpv


def _incomplete(db: Database, missing: Mapping[tuple[str, ...], set[str]]) -> ProgsError:
    lines = []
    for group, needers in sorted(missing.items()):
        what = group[0] if len(group) == 1 else "one of " + ", ".join(group)
        have = sorted({cpv for atom in group for cpv in db.versions(atom)})
        but = f"; installed is {', '.join(have)}" if have else ""
        lines.append(f"{what} is not installed, needed by {', '.join(sorted(needers))}{but}")
    return ProgsError("\n".join(lines), tip="update the lower layer, so that emerge brings what is missing")
