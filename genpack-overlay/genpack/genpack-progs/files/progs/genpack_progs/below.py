# SPDX-License-Identifier: MIT
"""The root file system without what is mounted on its folders."""

from __future__ import annotations

import contextlib
import ctypes
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .errors import ProgsError

# From <sched.h> and <sys/mount.h>.
CLONE_NEWNS = 0x00020000
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2


@contextlib.contextmanager
def mounts() -> Iterator[Path]:
    """Yield a folder that shows the file system of / alone.

    In a container /dev, /proc, /run and /tmp are mounts: the image's own folders lie below them. The bind mount lives
    in a mount namespace of its own, which this process stays in, so nothing is left behind even after SIGKILL.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    folder = tempfile.mkdtemp(prefix="genpack-below-", dir="/run")
    try:
        _check(libc.unshare(CLONE_NEWNS), "leave the mount namespace")
        _check(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "make the mounts private")
        _check(libc.mount(b"/", folder.encode(), None, MS_BIND, None), "bind-mount / without what is mounted on it")
        yield Path(folder)
    finally:
        libc.umount2(folder.encode(), MNT_DETACH)
        os.rmdir(folder)


def _check(result: int, what: str) -> None:
    if result != 0:
        raise ProgsError(f"cannot {what}: {os.strerror(ctypes.get_errno())}", tip="this needs root with CAP_SYS_ADMIN")
