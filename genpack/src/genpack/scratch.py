# SPDX-License-Identifier: MIT
"""Folders that live as long as the process that made them. What a killed one left goes when the next one comes."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from genpack import files


@contextmanager
def folder(place: Path) -> Iterator[Path]:
    """A new, private folder in `place`, which is made if it is missing and holds nothing else. Each is locked (flock)
    by its process, so that one without a lock is nobody's."""
    place.mkdir(parents=True, exist_ok=True)
    with files.locked(place):
        for path in place.iterdir():
            if (fd := _lock(path)) is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(fd)
        made = Path(tempfile.mkdtemp(dir=place))
        own = _lock(made)
    assert own is not None
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(own)


def _lock(path: Path) -> int | None:
    """A descriptor that holds the folder's lock; None if somebody else does."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd
