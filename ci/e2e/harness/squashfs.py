# SPDX-License-Identifier: MIT
"""Look into an image without booting it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harness.commands import run

#: drwxr-xr-x 0/0  26 2025-01-01 00:00 squashfs-root/usr[ -> target]
LINE = re.compile(
    r"(?P<mode>[-a-z]\S{9}) (?P<uid>\d+)/(?P<gid>\d+)\s+(?P<size>\d+(?:,\s*\d+)?) \S+ \S+ squashfs-root(?P<rest>.*)"
)


@dataclass(frozen=True)
class Entry:
    """One file of an image. `mode`: as ls shows it; `target`: of a symlink."""

    path: str
    mode: str
    uid: int
    gid: int
    target: str | None


def listing(image: Path) -> dict[str, Entry]:
    """Every file of an image by its path without the leading slash."""
    entries = {}
    for line in run("unsquashfs", "-d", "squashfs-root", "-lln", image).ok().stdout.splitlines():
        match = LINE.fullmatch(line)
        if match is None:
            continue
        path, _, target = match["rest"].partition(" -> ")
        path = path.lstrip("/")
        entries[path] = Entry(path, match["mode"], int(match["uid"]), int(match["gid"]), target or None)
    assert len(entries) > 10, f"{image}: unsquashfs listed nothing"
    return entries


def cat(image: Path, path: str) -> str:
    """Content of one text file."""
    return run("unsquashfs", "-cat", image, path).ok().stdout


def extract(image: Path, to: Path, *paths: str) -> Path:
    """Unpack some files, with owners, modes and extended attributes; the folder they are in."""
    run("unsquashfs", "-n", "-d", to, image, *paths).ok()
    return to
