# SPDX-License-Identifier: MIT
"""Packages whose build depends on the artifact's own folders: user patches, saved configurations, environments, kernel
fragments, ebuilds of its own.

Portage sees such a dependence neither in an installed package nor, in most versions, in a binary one. So what they are
built with is recorded: a change builds them again, and they are kept apart from the shared binary packages.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from genpack import atoms, hashing, overlays, portage
from genpack.model import Definition

#: A folder of savedconfig/ that is no category: CHOST.
_CHOST = re.compile(r"[a-z0-9_]+-[a-z0-9_]+-[a-z0-9_]+(?:-[a-z0-9_]+)?")
#: What reads /etc/kernel/config.d while it builds.
_KERNEL_ECLASS = "kernel-build"


def packages(definition: Definition, artifact: Path, lower: Path) -> dict[str, str]:
    """Package (category/name) -> hash of what it is built with. The repositories in `lower` are indexed. An atom with
    a wildcard in `env` names no package: it stays Portage's matter."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for place, source in portage.folder_files(artifact, definition.arch).items():
        folder = next(name for name, top in portage.FOLDERS.items() if place.startswith(f"{top}/"))
        parts = place.removeprefix(f"{portage.FOLDERS[folder]}/").split("/")
        if folder == "savedconfig" and _CHOST.fullmatch(parts[0]):
            del parts[0]
        names: Iterable[str] = ()
        if folder in {"patches", "savedconfig"} and len(parts) > 1:
            names = [atoms.package(f"{parts[0]}/{parts[1]}")]
        elif folder == "kernel":
            names = _kernels(lower)
        for name in names:
            found[name][place] = _content(source)
    for atom, words in definition.env.items():
        if "*" not in atom:
            files = {f"env/{word}": _content(artifact / "env" / word) for word in words or ()}
            found[atoms.package(atom)] |= {f"{atom} {file}": content for file, content in files.items()}
    local = artifact / "overlay"
    for package in {ebuild.parent for ebuild in local.glob("*/*/*.ebuild")}:
        content = [hashing.of_folder(package), hashing.of_folder(local / "eclass")]
        found[str(package.relative_to(local))]["overlay"] = " ".join(content)
    return {name: hashing.of_value(sorted(parts.items())) for name, parts in sorted(found.items())}


def outdated(before: Mapping[str, str], now: Mapping[str, str], lower: Path) -> list[str]:
    """The installed packages that were built with something else than what is there now."""
    changed = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    return [name for name in changed if _installed(lower, name)]


def _installed(lower: Path, name: str) -> bool:
    category, _, short = name.partition("/")
    folder = lower / "var/db/pkg" / category
    entries = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return any(atoms.package(f"{category}/{entry}") == f"{category}/{short}" for entry in entries)


def _kernels(lower: Path) -> list[str]:
    """The packages of the repositories that build a kernel."""
    result = set()
    for entry in (lower / overlays.REPOSITORIES).glob("*/metadata/md5-cache/sys-kernel/*"):
        eclasses = re.search(r"^_eclasses_=(.*)$", entry.read_text(errors="replace"), re.MULTILINE)
        if eclasses and _KERNEL_ECLASS in eclasses[1].split("\t")[::2]:
            result.add(atoms.package(f"sys-kernel/{entry.name}"))
    return sorted(result)


def _content(path: Path) -> str:
    return f"link {os.readlink(path)}" if path.is_symlink() else hashing.of_file(path)["sha256"]
