# SPDX-License-Identifier: MIT
"""Who uses the shared cache: any number of builds together, or `genpack clean cache` alone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from genpack.errors import GenpackError
from genpack.log import Log

#: What genpack makes in the cache's folder. Anything else there is not genpack's.
MEMBERS = (
    *("downloads", "overlays", "distfiles", "script-downloads", "binpkgs", "verified", "gpg"),
    *("digests.json", "digests.lock"),
)
LOCK = "in-use.lock"


def gpg(folder: Path) -> Path:
    """Where gpg's throwaway homes are."""
    return folder / "gpg"


@contextmanager
def used(folder: Path, log: Log, *, make: bool = True) -> Iterator[None]:
    """Keeps `clean cache` away; waits for one that is at it. A cache that this user can't write to needs no lock, nor
    does one that is not there and, without `make`, is not made."""
    if not make and not folder.is_dir():
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(folder / LOCK, os.O_RDONLY | os.O_CREAT, 0o644)
    except OSError:
        yield
        return
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            log.note("'genpack clean cache' is at work: waiting for it")
            fcntl.flock(fd, fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keeps everybody else away. Raises GenpackError that says who uses the cache."""
    fd = os.open(folder / LOCK, os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            users = ", ".join(f"process {pid}" for pid in _holders(fd)) or "another process"
            raise GenpackError(f"{folder} is in use by {users}", tip="wait for it to end") from None
        yield
    finally:
        os.close(fd)


def _holders(fd: int) -> list[int]:
    """Process ids of those who hold a lock on the file, as far as /proc/locks tells."""
    inode = os.fstat(fd).st_ino
    found = []
    for line in Path("/proc/locks").read_text().splitlines():
        match line.split():
            case [_, "FLOCK", _, _, pid, place, *_] if place.rpartition(":")[2] == str(inode) and int(pid) > 0:
                found.append(int(pid))
    return sorted(set(found))
