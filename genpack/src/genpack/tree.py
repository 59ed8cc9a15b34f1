# SPDX-License-Identifier: MIT
"""A container on one of the trees of the work folder, with everything that a phase or a shell finds in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from genpack import emulation, fetch, portage
from genpack.container import Container
from genpack.fetch import Mirror
from genpack.model import Definition
from genpack.settings import Settings
from genpack.workdir import WorkDir


def binpkgs(settings: Settings, merged: Definition, work: WorkDir) -> Path:
    """Where the binary packages of a build are: shared by all artifacts, unless it asks for its own."""
    return work.binpkgs if merged.independent_binpkgs else settings.cache / "binpkgs" / settings.arch.name


def for_tree(
    root: Path,
    settings: Settings,
    merged: Definition,
    work: WorkDir,
    mirrors: Sequence[Mirror],
    extra: Mapping[str, str],
) -> Container:
    """A container on a tree, with the caches, the mirrors and the artifact's folder; `extra` is its environment."""
    packages = binpkgs(settings, merged, work)
    distfiles, downloads = settings.cache / "distfiles", settings.cache / "script-downloads"
    for folder in (packages, distfiles, downloads):
        folder.mkdir(parents=True, exist_ok=True)
    sources, read_only = [], [(settings.directory, "/mnt/host")]
    for index, mirror in enumerate(mirrors):
        if isinstance(mirror, fetch.FolderMirror):
            read_only.append((mirror.folder, f"/mnt/mirror-{index}"))
            sources.append(f"/mnt/mirror-{index}/distfiles")
        elif not settings.offline:
            sources.append(mirror.name)
    environment = portage.environment(offline=settings.offline, emulated=emulation.needed(settings.arch))
    return Container(
        root,
        read_only=read_only,
        writable=[
            (distfiles, "/var/cache/distfiles"),
            (packages, "/var/cache/binpkgs"),
            (downloads, "/var/cache/download"),
        ],
        env={**environment, "GENTOO_MIRRORS": " ".join(sources), **extra},
        personality=emulation.personality(settings.arch),
        offline=settings.offline,
    )


def upper_environment(definition: Definition, epoch: int) -> dict[str, str]:
    """What scripts of the upper phase, and the shell in its tree, find in their environment."""
    found = {"ARTIFACT": definition.name, "PROFILE": definition.profile or "", "GENPACK_ARCH": definition.arch}
    found |= {"VARIANT": definition.variant} if definition.variant else {}
    return {**found, "SOURCE_DATE_EPOCH": str(epoch)}
