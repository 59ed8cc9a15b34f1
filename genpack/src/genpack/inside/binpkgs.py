# SPDX-License-Identifier: MIT
"""Looks after PKGDIR, and at what is installed, with Portage's own code: run in the container by the lower layer's
Python. One start of Portage for all that can be told at once.

    python3 binpkgs.py '{"do": "check"|"use", "alone": BOOL, "deep": BOOL, "repositories": [...], "days": N}'

`alone`: no other genpack uses this PKGDIR. Without it nothing but what is damaged is removed.
Prints one JSON object a line: {"dropped": FILE, "why": TEXT}, {"stale": PACKAGE}, {"reinstall": PACKAGE},
{"masked": PACKAGE}, {"configuration": FILE}, {"refused": "PACKAGE LICENCE..."}.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import portage  # type: ignore[import-untyped]  # Portage has no types
from portage.emaint.modules.binhost import binhost  # type: ignore[import-untyped]  # Portage has no types
from portage.exception import (  # type: ignore[import-untyped]  # Portage has no types
    InvalidDependString,
    PortageException,
    SignatureException,
)
from portage.gpkg import gpkg  # type: ignore[import-untyped]  # Portage has no types
from portage.locks import lockfile, unlockfile  # type: ignore[import-untyped]  # Portage has no types
from portage.util import find_updated_config_files  # type: ignore[import-untyped]  # Portage has no types

SUFFIXES = (".gpkg.tar", ".xpak", ".tbz2")


def say(**what: str) -> None:
    print(json.dumps(what), flush=True)


def without_noise(text: str) -> list[str]:
    """An ebuild's lines that can change what is built: no comments, no empty lines, no keywords."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith(("#", "KEYWORDS="))]


def own_name(cpv: Any) -> str:
    """The name of a package's ebuild."""
    return f"{str(cpv).split('/')[1]}.ebuild"


class Cache:
    """PKGDIR and what belongs to it."""

    def __init__(self) -> None:
        self.trees = portage.db[portage.root]
        self.tree = self.trees["bintree"]
        self.top = Path(self.tree.pkgdir)

    def index(self) -> dict[str, Any]:
        """Path below PKGDIR -> entry of the index Packages; {} if it can't be read."""
        try:
            return {entry["PATH"]: entry for entry in self.tree._load_pkgindex().packages}
        except Exception:  # whatever a damaged index makes of Portage's reader
            return {}

    def files(self) -> list[str]:
        found = (str(path.relative_to(self.top)) for path in self.top.rglob("*") if path.is_file())
        return sorted(name for name in found if name.endswith(SUFFIXES))

    def damage(self, name: str) -> str:
        """What is wrong with a package file, by the checksums and the signature in it; empty if nothing is."""
        path = self.top / name
        if path.stat().st_size == 0:
            return "it is empty"
        if not name.endswith(".gpkg.tar"):
            return ""
        try:
            gpkg(self.tree.settings, None, str(path))._verify_binpkg()
        except SignatureException:
            return "its signature is not good"
        except (PortageException, OSError, ValueError) as error:
            return f"{type(error).__name__}: {str(error).replace(str(path), name)}"
        except Exception as error:  # tarfile and the decompressors raise their own
            return f"{type(error).__name__}: {error}"
        return ""

    def check(self, *, alone: bool, deep: bool) -> None:
        """Removes damaged packages, and makes the index fit what is there."""
        index = self.index()
        names = self.files() if alone else [name for name in index if (self.top / name).exists()]
        wrong = alone and not Path(self.tree._pkgindex_file).is_file() and bool(names)
        dropped: set[str] = set()
        for name in names:
            found = (self.top / name).stat()
            entry = index.get(name, {})
            same = (entry.get("SIZE"), entry.get("_mtime_")) == (str(found.st_size), str(int(found.st_mtime)))
            if same and not deep:
                continue
            wrong = wrong or not same
            why = self.damage(name)
            if why:
                (self.top / name).unlink()
                say(dropped=name, why=why)
                dropped.add(name)
                wrong = True
        gone = [name for name in index if name not in dropped and not (self.top / name).exists()]
        for name in gone:
            # Portage puts a package whose checksum is wrong out of the way, and still lists it.
            for left in (self.top / name).parent.glob(f"{Path(name).name}._checksum_failure_*"):
                left.unlink()
            say(dropped=name, why="its checksum is wrong, or its file is gone")
        if wrong or gone:
            self.reindex()

    def reindex(self) -> None:
        """As `emaint --fix binhost`; an index that can't be read is made anew."""
        lock = lockfile(self.tree._pkgindex_file, wantnewlockfile=1)
        try:
            if not self.index():
                for name in (self.tree._pkgindex_file, f"{self.tree._pkgindex_file}.gz"):
                    Path(name).unlink(missing_ok=True)
        finally:
            unlockfile(lock)
        binhost.BinhostHandler().fix()

    def stale(self, repositories: list[str], *, alone: bool) -> None:
        """Packages of these repositories whose ebuild changed, though its revision did not."""
        self.tree.populate(force_reindex=False)
        for cpv in list(self.tree.dbapi.cpv_all()):
            now = self.ebuild(cpv, self.tree.dbapi, repositories)
            if now is None:
                continue
            name = str(Path(self.tree.getname(cpv)).relative_to(self.top))
            try:
                content = gpkg(self.tree.settings, None, self.tree.getname(cpv)).get_metadata(own_name(cpv))
            except (PortageException, OSError):
                continue  # Portage will say so if it needs it
            if content is None or without_noise(content.decode(errors="replace")) == now:
                continue
            if alone:
                self.tree.remove(cpv)
                say(dropped=name, why="its ebuild changed")
            else:
                say(stale=str(cpv.cp))
        installed = self.trees["vartree"].dbapi
        for cpv in installed.cpv_all():
            now = self.ebuild(cpv, installed, repositories)
            path = Path(installed.getpath(cpv, filename=own_name(cpv)))
            if now is None or not path.is_file():
                continue
            if without_noise(path.read_text(errors="replace")) != now:
                say(reinstall=str(cpv.cp))

    def ebuild(self, cpv: Any, database: Any, repositories: list[str]) -> list[str] | None:
        """What counts of the ebuild that the package's repository has now; None if it is not one of these."""
        (repository,) = database.aux_get(cpv, ["repository"])
        if repository not in repositories:
            return None
        path = self.trees["porttree"].dbapi.findname(str(cpv), myrepo=repository)
        if not path:
            return None
        return without_noise(Path(path).read_text(errors="replace"))

    def masked(self) -> None:
        """Installed packages that a package.mask masks."""
        installed = self.trees["vartree"].dbapi
        for cpv in installed.cpv_all():
            slot, repository = installed.aux_get(cpv, ["SLOT", "repository"])
            if portage.settings._getMaskAtom(cpv, {"SLOT": slot, "repository": repository}) is not None:
                say(masked=str(cpv))

    def licences(self) -> None:
        """Installed packages with a licence that is not accepted. Portage leaves them as they are."""
        installed = self.trees["vartree"].dbapi
        names = ["USE", "LICENSE", "SLOT", "repository"]
        for cpv in installed.cpv_all():
            metadata = dict(zip(names, installed.aux_get(cpv, names), strict=True))
            try:
                refused = portage.settings._getMissingLicenses(cpv, metadata)
            except InvalidDependString:
                continue  # a damaged entry; emerge tells of it
            if refused:
                say(refused=" ".join([str(cpv), *sorted(refused)]))

    def configuration(self) -> None:
        """New versions of protected configuration files, which wait beside the old ones."""
        protected = shlex.split(portage.settings.get("CONFIG_PROTECT", ""))
        for folder, names in find_updated_config_files(portage.root, protected):
            for name in names or [folder]:
                say(configuration=str(name))

    def use(self, days: int, *, alone: bool) -> None:
        """Marks the packages that are installed as used now, by their access time, and, if `alone`, removes those that
        nobody has used for so many days."""
        self.tree.populate(force_reindex=False)
        installed = self.trees["vartree"].dbapi
        built = {(str(cpv), installed.aux_get(cpv, ["BUILD_TIME"])[0]) for cpv in installed.cpv_all()}
        now = time.time()
        for cpv in list(self.tree.dbapi.cpv_all()):
            path = Path(self.tree.getname(cpv))
            try:
                found = path.stat()
            except OSError:
                continue
            if (str(cpv), str(cpv.build_time)) in built:
                os.utime(path, ns=(int(now * 1e9), found.st_mtime_ns))
            elif alone and max(found.st_atime, found.st_ctime) < now - days * 86400:
                self.tree.remove(cpv)
                say(dropped=str(path.relative_to(self.top)), why=f"no build used it for {days} days")


def main() -> None:
    options = json.loads(sys.argv[1])
    cache = Cache()
    if options["do"] == "use":
        cache.use(options["days"], alone=options["alone"])
        cache.configuration()
        cache.licences()
    else:
        cache.check(alone=options["alone"], deep=options["deep"])
        cache.stale(options["repositories"], alone=options["alone"])
        cache.masked()


if __name__ == "__main__":
    main()
