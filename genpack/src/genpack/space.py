# SPDX-License-Identifier: MIT
"""A full disk: which folder's it is, and how much is free there."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from genpack.errors import GenpackError
from genpack.log import size

FULL = {errno.ENOSPC, errno.EDQUOT}
#: What tar, emerge, mksquashfs and mtools say. Of a program that says it in another language, `EMPTY` tells.
SAID = re.compile(r"No space left on device|Disk quota exceeded|disk full", re.IGNORECASE)
#: A file system with more bytes free than this is not the one that a program found full (it may have cleaned up).
PLENTY = 256 << 20
#: One with fewer than this is full, whatever the program said.
EMPTY = 1 << 20
AGAIN = "and run genpack again: it goes on from there"


@dataclass(frozen=True)
class Place:
    """A folder that genpack writes to. `other`: what chooses another one."""

    folder: Path
    other: str


def existing(path: Path) -> Path:
    """The path, or the nearest folder above that is there."""
    return next(place for place in (path, *path.parents) if place.exists())


def free(folder: Path) -> tuple[int, bool]:
    """(bytes free, whether a file can be made at all) on the folder's file system."""
    info = os.statvfs(existing(folder))
    return info.f_bavail * info.f_frsize, info.f_files == 0 or info.f_favail > 0


def _told(folder: Path, bytes_free: int, files: bool) -> str:
    left = size(bytes_free) if files else f"{size(bytes_free)}, and no inode,"
    return f"the disk is full: {folder} has {left} free"


def shortage(places: Sequence[Place], said: Iterable[str]) -> tuple[str, str] | None:
    """(what is wrong, what to do) if a program failed because one of the places is full; `said`: its last lines."""
    found = [(*free(place.folder), place) for place in places]
    found.sort(key=lambda entry: (entry[1], entry[0]))  # no inodes first, then the fullest
    if not found:
        return None
    bytes_free, files, place = found[0]
    limit = PLENTY if any(SAID.search(line) for line in said) else EMPTY
    if files and bytes_free >= limit:
        return None
    return _told(place.folder, bytes_free, files), f"make room there, or use another {place.other}, {AGAIN}"


def of_error(error: OSError) -> GenpackError:
    """The error for a file that genpack itself could not write."""
    if not error.filename:
        return GenpackError(f"the disk is full: {error.strerror}", tip=f"make room, {AGAIN}")
    folder = existing(Path(os.fsdecode(error.filename)).absolute().parent)
    said = f"can't write {os.fsdecode(error.filename)}: {_told(folder, *free(folder))}"
    return GenpackError(said, tip=f"make room there, {AGAIN}")


def require(folder: Path, needed: int, what: str) -> None:
    """Raises GenpackError if a folder's file system can't take so many bytes."""
    left, _ = free(folder)
    if left < needed:
        said = f"{what} takes {size(needed)} and {folder} has {size(left)} free"
        raise GenpackError(f"the disk is full: {said}", tip=f"make room there, {AGAIN}")
