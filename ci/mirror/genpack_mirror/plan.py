# SPDX-License-Identifier: MIT
"""What the mirror will be made from: the versions of the stage3's packages, and the ebuilds around .debs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .apt import Apt, Package
from .dpkg import clauses
from .names import gentoo_name, package_version
from .process import MirrorError
from .tables import Tables


@dataclass
class DebEbuild:
    """A planned ebuild and its .debs."""

    atom: str
    debs: list[Package]
    rdepend: list[str] = field(default_factory=list)
    kernel_release: str = ""
    version: str = ""


def plan_debs(apt: Apt, tables: Tables, seeded: dict[str, str]) -> list[DebEbuild]:
    """The ebuilds of ``debs.txt`` and of what they need that the stage3 lacks.

    ``seeded`` is the stage3's packages: Debian name -> category/name.
    """
    index = apt.index()
    planned: dict[str, DebEbuild] = {}
    owner: dict[str, str] = {}

    def add(atom: str, names: Iterable[str]) -> None:
        entry = planned.setdefault(atom, DebEbuild(atom, []))
        for name in names:
            if name not in index:
                raise MirrorError(f"Debian has no package {name} (wanted for {atom})")
            package = index[name]
            if name.startswith("linux-image-") and not re.search(r"-\d+\.\d", name):
                entry.version = package_version(package.version).partition("-r")[0]
                package = index[clauses(package.depends)[0][0]]
                entry.kernel_release = package.name.removeprefix("linux-image-")
            entry.debs.append(package)
            owner[package.name] = atom

    for wanted, debs in tables.debs.items():
        add(wanted, debs)
    waiting = list(planned.values())
    while waiting:
        entry = waiting.pop(0)
        for package in entry.debs:
            for names in clauses(package.depends):
                if any(name in tables.dropped for name in names):
                    continue
                atom = next((seeded[n] for n in names if n in seeded), None) or next(
                    (owner[n] for n in names if n in owner), None
                )
                if atom is None:
                    real = next((n for n in names if n in index), None)
                    if real is None:
                        raise MirrorError(f"{package.name} depends on {' | '.join(names)}, which Debian does not have")
                    atom = gentoo_name(real, tables.names)
                    add(atom, [real])
                    waiting.append(planned[atom])
                if atom != entry.atom and atom not in entry.rdepend:
                    entry.rdepend.append(atom)
    for entry in planned.values():
        entry.version = entry.version or package_version(entry.debs[0].version).partition("-r")[0]
    return [planned[atom] for atom in sorted(planned)]


@dataclass
class Plan:
    """The resolved packages."""

    seed: list[str]
    """``package=version`` of the stage3"""
    debs: list[DebEbuild]


def make_plan(apt: Apt, tables: Tables) -> Plan:
    """Resolve everything against apt's present lists."""
    seed = apt.resolve(tables.seed)
    names = (entry.partition("=")[0] for entry in seed)
    return Plan(seed, plan_debs(apt, tables, {name: gentoo_name(name, tables.names) for name in names}))


def read_plan(data: dict[str, Any]) -> Plan:
    """The plan that ``dataclasses.asdict`` wrote."""
    debs = [DebEbuild(**{**entry, "debs": [Package(**package) for package in entry["debs"]]}) for entry in data["debs"]]
    return Plan(data["seed"], debs)
