# SPDX-License-Identifier: MIT
"""Portage's view of what is installed. Only this module and bindb.py import its API."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .deps import Node
from .errors import ProgsError, UsageError
from .metadata import Package

MARKER = "genpack-ignore"


def use_root(root: Path) -> None:
    """Let Portage work on the tree below `root`. To be called before the first VarDb."""
    os.environ["ROOT"] = os.environ["PORTAGE_CONFIGROOT"] = str(root)


class VarDb:
    """The database of installed packages and the package sets of the configured root."""

    def __init__(self) -> None:
        try:
            import portage
        except ImportError as e:
            raise ProgsError(f"Portage's Python API is missing: {e}", tip="run this in the lower layer") from e
        self._portage: Any = portage
        self._trees: Any = portage.db[portage.root]
        self._db: Any = self._trees["vartree"].dbapi
        # A build reads; a cache file written here would end up in the image's upper layer.
        self._db._flush_cache_enabled = False
        self._found: dict[str, str | None] = {}

    def set_atoms(self, name: str, *, required: bool = True) -> list[str]:
        """Atoms of a package set, sorted; an unknown set is an error, or empty if it is not required."""
        from portage._sets import load_default_config
        from portage.exception import PackageSetNotFound

        config = load_default_config(self._portage.settings, self._trees)
        try:
            return sorted(str(atom) for atom in config.getSetAtoms(name))
        except PackageSetNotFound as e:
            if not required:
                return []
            raise ProgsError(f"there is no package set @{name}") from e

    def find(self, atom: str) -> str | None:
        if atom not in self._found:
            from portage.dep import Atom

            match = self._db.match(Atom(atom, allow_repo=True, allow_wildcard=False))
            self._found[atom] = str(match[-1]) if match else None
        return self._found[atom]

    def provided(self, atom: str) -> bool:
        from portage.dep import Atom, match_from_list

        parsed = Atom(atom, allow_repo=True)
        candidates = self._portage.settings.pprovideddict.get(parsed.cp, ())
        return bool(match_from_list(parsed, list(candidates)))

    def versions(self, atom: str) -> Sequence[str]:
        from portage.dep import Atom

        return [str(cpv) for cpv in self._db.cp_list(Atom(atom, allow_repo=True).cp)]

    def ignored(self, cpv: str) -> bool:
        return MARKER in self.inherited(cpv)

    def inherited(self, cpv: str) -> set[str]:
        """The eclasses of a package."""
        return set(self._aux(cpv, "INHERITED")[0].split())

    def installed(self) -> list[str]:
        """Every installed package."""
        return sorted(str(cpv) for cpv in self._db.cpv_all())

    def masked(self) -> dict[str, str]:
        """Installed packages that a package.mask masks -> the atom that does."""
        found = {}
        for cpv in self.installed():
            slot, repository = self._aux(cpv, "SLOT", "repository")
            atom = self._portage.settings._getMaskAtom(cpv, {"SLOT": slot, "repository": repository})
            if atom is not None:
                found[cpv] = str(atom)
        return found

    def dependencies(self, cpv: str) -> Node:
        from portage.dep import Atom, use_reduce

        use, eapi, *depends = self._aux(cpv, "USE", "EAPI", "RDEPEND", "PDEPEND")
        flags = use.split()
        try:
            tree = use_reduce(" ".join(depends), uselist=flags, opconvert=True, token_class=Atom, eapi=eapi)
        except self._portage.exception.InvalidDependString as e:
            raise ProgsError(f"the dependencies of {cpv} in the package database are broken: {e}") from e
        return _plain(tree, flags)

    def package(self, cpv: str) -> Package:
        """What /.genpack/packages says of a package; USE is what is both enabled and declared by it."""
        slot, description, homepage, licence, use, iuse = self._aux(
            cpv, "SLOT", "DESCRIPTION", "HOMEPAGE", "LICENSE", "USE", "IUSE")
        declared = {flag.lstrip("+-") for flag in iuse.split()}
        return Package(
            name=cpv, slot=slot, description=description, homepage=homepage, license=licence,
            use=" ".join(sorted(declared.intersection(use.split()))),
        )

    def contents(self, cpv: str) -> list[str]:
        """Absolute paths (seen from the root) that a package owns, as it recorded them."""
        prefix = str(self._portage.settings["ROOT"]).rstrip("/")
        return [path[len(prefix):] for path in self._db._dblink(cpv).getcontents()]

    def _aux(self, cpv: str, *keys: str) -> list[str]:
        return [str(value) for value in self._db.aux_get(cpv, list(keys))]


def checked_atom(text: str) -> str:
    """The text, if it is an atom that a package could match. Else UsageError."""
    from portage.dep import Atom
    from portage.exception import InvalidAtom

    try:
        blocker = Atom(text, allow_repo=True).blocker
    except InvalidAtom as e:
        raise UsageError(f"{text!r} is not an atom", tip="write CATEGORY/NAME, or =CATEGORY/NAME-VERSION") from e
    if blocker:
        raise UsageError(f"{text!r} is a blocker, which no package matches", tip="leave out the !")
    return text


def _plain(node: Any, flags: list[str]) -> Node:
    """Portage's structure with its atoms as strings, USE conditionals in atoms evaluated."""
    if isinstance(node, list):
        return [_plain(child, flags) for child in node]
    if getattr(node, "use", None) is not None and node.use.conditional:
        node = node.evaluate_conditionals(flags)
    return str(node)
