# SPDX-License-Identifier: MIT
"""Files that are there whole or not at all: write, fsync, rename."""

from __future__ import annotations

import fcntl
import glob
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Makes a rename in the folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_file(path: Path) -> None:
    """Makes a file's content durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_filesystem(folder: Path) -> None:
    """Writes out the whole file system that holds the folder (syncfs(2))."""
    import ctypes

    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(fd) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(folder))
    finally:
        os.close(fd)


def publish(temporary: Path, final: Path) -> None:
    """A finished temporary file takes its final name."""
    sync_file(temporary)
    temporary.rename(final)
    sync_folder(final.parent)


def remove_left(path: Path) -> None:
    """Removes what a killed run left of a file it was about to publish. Nothing else may be writing it."""
    for old in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        old.unlink(missing_ok=True)


def write(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replaces a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            temporary.write_bytes(content)
            temporary.chmod(mode)
            publish(temporary, path)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Waits for and holds an exclusive lock (flock) on a folder, or on a file, which is made if it is missing.
    `on_wait` is called if somebody else holds it."""
    if path.is_dir():
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
