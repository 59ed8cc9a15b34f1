# SPDX-License-Identifier: MIT
"""Files and folders that are whole or not there at all."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp


def tree(folder: Path) -> Iterator[Path]:
    """Everything below a folder but folders, as paths relative to it, sorted.

    Left out: the byte code that pip makes of every Python file that it installs.
    """
    found = (p for p in folder.rglob("*") if p.is_symlink() or not p.is_dir())
    return (p.relative_to(folder) for p in sorted(found) if "__pycache__" not in p.parts)


def content(path: Path) -> tuple[str, bytes]:
    """What a copy of a file must have: kind and mode as text, and the bytes or the target of a symlink."""
    if path.is_symlink():
        return "symlink", os.fsencode(os.readlink(path))
    executable = path.stat().st_mode & stat.S_IXUSR
    return ("program" if executable else "file"), path.read_bytes()


def write(path: Path, data: bytes, *, mode: int) -> None:
    """Writes a file under a temporary name, flushes it and gives it its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    try:
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def copy(source: Path, target: Path) -> None:
    """Copies a file or a symlink."""
    if source.is_symlink():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(os.readlink(source))
    else:
        write(target, source.read_bytes(), mode=stat.S_IMODE(source.stat().st_mode))


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder under a temporary name, which gets its name when all went well and is removed otherwise."""
    fresh = Path(mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        fresh.chmod(0o755)
        yield fresh
        fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
