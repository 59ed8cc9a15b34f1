# SPDX-License-Identifier: MIT
"""A folder of binary packages, as Portage sees it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from .errors import ProgsError, UsageError


@dataclass(frozen=True)
class Binpkg:
    """One binary package: `cpv` is Portage's object, which tells builds of one version apart."""

    cpv: Any
    path: str


class BinDb:
    """The packages of a PKGDIR and its index (Packages)."""

    def __init__(self, folder: str | None = None) -> None:
        """`folder`: by default the configured PKGDIR. Raises UsageError if it doesn't exist."""
        try:
            import portage
            from portage.dbapi.bintree import binarytree
        except ImportError as e:
            raise ProgsError(f"Portage's Python API is missing: {e}", tip="run this in the lower layer") from e
        self.folder = os.path.abspath(folder or str(portage.settings["PKGDIR"]))
        if not os.path.isdir(self.folder):
            raise UsageError(f"{self.folder}: there is no such folder of binary packages")
        self._tree: Any = binarytree(pkgdir=self.folder, settings=portage.settings)
        self._tree.populate(force_reindex=True)  # files that the index does not name count too

    def match(self, atom: str) -> list[Binpkg]:
        """What matches the atom, by version and build."""
        return [Binpkg(cpv, str(self._tree.getname(cpv))) for cpv in self._tree.dbapi.match(atom)]

    def remove(self, package: Binpkg) -> None:
        """Remove the file and its entry in the index."""
        self._tree.remove(package.cpv)
        if os.path.lexists(package.path):  # Portage only warns of it
            raise ProgsError(f"{package.path}: cannot be removed, though the index has lost it",
                             tip="see to the permissions of its folder")
