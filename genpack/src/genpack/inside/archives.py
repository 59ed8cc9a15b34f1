# SPDX-License-Identifier: MIT
"""Puts source archives of packages without a Manifest where downloads go: run in the container by the lower layer's
Python.

    python3 archives.py REPOSITORY EBUILD...

EBUILD is a path in the repository, one of each package. Only what a folder mirror has is copied: without a Manifest to
tell its size, Portage itself holds such a copy for one that was cut off, and asks other places for the rest.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import portage  # type: ignore[import-untyped]  # Portage has no types
from portage.dep import use_reduce  # type: ignore[import-untyped]  # Portage has no types
from portage.package.ebuild.fetch import async_mirror_url  # type: ignore[import-untyped]  # Portage has no types


def archives(repository: str, ebuild: Path) -> set[str]:
    """The source archives of all versions of an ebuild's package that mirrors may have."""
    ports = portage.db[portage.root]["porttree"].dbapi
    found: set[str] = set()
    for cpv in ports.cp_list("/".join(ebuild.parts[-3:-1]), mytree=repository):
        (restrict,) = ports.aux_get(cpv, ["RESTRICT"], mytree=repository)
        if "mirror" not in use_reduce(restrict, flat=True, matchall=True):
            found |= set(ports.getFetchMap(cpv, mytree=repository))
    return found


def copy(name: str) -> None:
    """Copies an archive from the first folder mirror that has it, unless it is there."""
    target = Path(portage.settings["DISTDIR"]) / name
    fresh = target.with_name(f".{name}.{os.getpid()}.tmp")
    for mirror in portage.settings.get("GENTOO_MIRRORS", "").split():
        if target.exists() or not mirror.startswith("/"):
            continue
        source = asyncio.run(async_mirror_url(mirror, name, portage.settings))
        try:
            shutil.copyfile(source, fresh)
            fresh.chmod(0o664)
            fresh.rename(target)
            print(f"{name}: copied from {source}", flush=True)
        except FileNotFoundError:
            continue
        finally:
            fresh.unlink(missing_ok=True)


def main() -> None:
    repository = sys.argv[1]
    for ebuild in sys.argv[2:]:
        for name in sorted(archives(repository, Path(repository, ebuild))):
            copy(name)


if __name__ == "__main__":
    main()
