# SPDX-License-Identifier: MIT
"""What the command line, the environment and the user's configuration file say, as one frozen object."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from genpack.arch import ARCHES, Arch, host_arch
from genpack.errors import UsageError
from genpack.model import ALGORITHMS, Compression
from genpack.problems import suggest, suggest_and_list

DEFAULT_MIRROR = "https://distfiles.gentoo.org"


@dataclass(frozen=True)
class Settings:
    """All paths are absolute. `variant` and `compression` None: as the definition says. `overlay`: a folder, an archive
    or a URL; `getbinpkg`: the stage3's own binary package hosts too."""

    directory: Path
    arch: Arch
    variant: str | None
    compression: Compression | None
    devel: bool
    overlay_override: Path | None
    mirrors: tuple[str, ...]
    keyring: Path | None
    verify: bool
    work_root: Path
    output_dir: Path | None
    cache: Path
    offline: bool = False
    parallel: bool = False
    deep_depclean: bool = False
    break_circular_deps: bool = False
    locked: bool = False
    overlay: str | None = None
    binhosts: tuple[str, ...] = ()
    only: bool = False
    getbinpkg: bool = False
    independent_binpkgs: bool = False


def arch(name: str | None) -> Arch:
    """The architecture of --arch, by default the machine's. Raises UsageError."""
    wanted = name or host_arch()
    if wanted not in ARCHES:
        raise UsageError(f"unknown architecture '{wanted}'", tip=suggest_and_list(wanted, ARCHES))
    return ARCHES[wanted]


def compression(text: str | None) -> Compression | None:
    """`ALGORITHM` or `ALGORITHM:LEVEL`. Raises UsageError."""
    if text is None:
        return None
    name, colon, level = text.partition(":")
    if name not in ALGORITHMS:
        raise UsageError(f"--compression: unknown algorithm '{name}'", tip=suggest(name, ALGORITHMS))
    if not colon:
        return Compression(name)
    levels = ALGORITHMS[name]
    if levels is None:
        raise UsageError(f"--compression: {name} has no levels", tip=f"write --compression {name}")
    if not level.isdecimal() or int(level) not in levels:
        tip = f"use {levels.start} to {levels.stop - 1}"
        raise UsageError(f"--compression: {name} has no level '{level}'", tip=tip)
    return Compression(name, int(level))


def cache_folder(configured: Path | None = None) -> Path:
    """$GENPACK_CACHE_DIR, else the user's own file, else $XDG_CACHE_HOME/genpack, else ~/.cache/genpack."""
    own = os.environ.get("GENPACK_CACHE_DIR")
    if own:
        return Path(own).absolute()
    if configured is not None:
        return configured
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(xdg) if xdg.startswith("/") else Path("~/.cache").expanduser()) / "genpack"
