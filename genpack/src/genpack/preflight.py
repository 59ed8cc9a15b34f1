# SPDX-License-Identifier: MIT
"""What must hold before the first side effect: root, programs and their versions."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable

from genpack import process
from genpack.errors import GenpackError

NSPAWN_VERSION = 250  # --suppress-sync
LOWER_PROGRAMS = ("systemd-nspawn", "mount", "umount", "tar", "xz", "rm")
PACK_PROGRAMS = ("mksquashfs", "unsquashfs", "setpriv")


def root(purpose: str) -> None:
    """Raises GenpackError if the process is not root's."""
    if os.geteuid() != 0:
        raise GenpackError(f"genpack must run as root to {purpose}", tip="use sudo")


def programs(needed: Iterable[str]) -> None:
    """Raises GenpackError that names every program that is missing."""
    absent = [name for name in dict.fromkeys(needed) if shutil.which(name) is None]
    if not absent:
        return
    errors = [process.missing(name) for name in absent]
    debian = sorted({process.PROGRAMS[name][1] for name in absent})
    gentoo = sorted({process.PROGRAMS[name][2] for name in absent})
    tip = f"install: 'apt install {' '.join(debian)}' on Debian, 'emerge {' '.join(gentoo)}' on Gentoo"
    raise GenpackError("; ".join(error.message for error in errors), tip=tip)


def nspawn() -> None:
    """Raises GenpackError if systemd-nspawn is too old."""
    text = process.run(["systemd-nspawn", "--version"]).stdout.decode(errors="replace")
    found = re.match(r"systemd (\d+)", text)
    if found and int(found[1]) < NSPAWN_VERSION:
        raise GenpackError(f"systemd-nspawn {found[1]} is too old", tip=f"version {NSPAWN_VERSION} or newer is needed")


def mksquashfs() -> None:
    """Raises GenpackError for versions that may corrupt sparse files."""
    text = process.run(["mksquashfs", "-version"], check=False).stdout.decode(errors="replace")
    version = mksquashfs_version(text)
    if (4, 7, 0) <= version < (4, 7, 5):
        name = ".".join(map(str, version)).removesuffix(".0")
        tip = "install squashfs-tools 4.7.5 or newer, or 4.6.1"
        raise GenpackError(f"mksquashfs {name} may corrupt sparse files", tip=tip)


def mksquashfs_version(text: str) -> tuple[int, int, int]:
    """(4, 5, 1) of `mksquashfs version 4.5.1 (2022/03/17)`; zeros if it says none."""
    found = re.search(r"version (\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else (0, 0, 0)
