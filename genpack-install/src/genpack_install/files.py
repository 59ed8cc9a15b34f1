# SPDX-License-Identifier: MIT
"""Files that are there whole or not at all: write to a temporary name, fsync, rename."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from genpack_install.errors import UsageError


def temporary_name(path: Path) -> Path:
    """A name beside `path` for what is to take its place."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def check_other_than(output: Path, sources: Iterable[Path]) -> None:
    """UsageError if the output is one of the inputs."""
    for source in sources:
        if output.exists() and source.exists() and output.samefile(source):
            raise UsageError(f"{output} would overwrite its own input", tip="give another name for the output")


def put(temporary: Path, path: Path) -> None:
    """Makes a file durable and gives it its name."""
    sync(temporary)
    temporary.rename(path)
    sync_folder(path.absolute().parent)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`; what is written there, if anything, takes its place if the block ends well, and
    is removed if not."""
    temporary = temporary_name(path)
    try:
        yield temporary
        if temporary.exists():
            put(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write(path: Path, content: bytes) -> None:
    """Replaces a file."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def sync(path: Path) -> None:
    """Makes the content of a file or a device durable."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_folder(path: Path) -> None:
    """Makes renames in a folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
