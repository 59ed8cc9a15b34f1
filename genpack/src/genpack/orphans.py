# SPDX-License-Identifier: MIT
"""Programs that outlived a genpack which was killed: they get SIGTERM with it, and take a moment to end.

Every program started for a work folder carries the folder in its environment, systemd-nspawn and its container's first
process too. Who comes next waits for them: an emerge that still ends would write into the tree under its feet.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from genpack.errors import GenpackError

VARIABLE = "_GENPACK_WORK"
WAIT_SECONDS = 30.0


def _mark(folder: Path) -> bytes:
    return os.fsencode(f"{VARIABLE}={folder.resolve()}")


@contextmanager
def marked(folder: Path) -> Iterator[None]:
    """What is started meanwhile can be told by `running`."""
    os.environ[VARIABLE] = str(folder.resolve())
    try:
        yield
    finally:
        del os.environ[VARIABLE]


def running(folder: Path) -> list[tuple[int, str]]:
    """(process id, command line) of what was started for a work folder and runs."""
    found = []
    for proc in Path("/proc").iterdir():
        if not proc.name.isdigit() or int(proc.name) == os.getpid():
            continue
        try:
            if _mark(folder) in (proc / "environ").read_bytes().split(b"\0"):
                words = (proc / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ")
                found.append((int(proc.name), words.decode(errors="replace")))
        except OSError:
            continue  # it ended, or is somebody else's
    return found


def wait(folder: Path, seconds: float = WAIT_SECONDS) -> None:
    """Returns when none is left. Raises GenpackError that names one that does not end."""
    end = time.monotonic() + seconds
    while left := running(folder):
        if time.monotonic() > end:
            number, words = left[0]
            what = f"process {number} ({words[:60].strip()}), left by a build that was killed"
            raise GenpackError(f"{folder} is in use by {what}", tip=f"end it: kill {number}")
        time.sleep(0.05)
