# SPDX-License-Identifier: MIT
"""Hashes of contents: of files, of folders, of values. Nothing here depends on times or owners."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from genpack.errors import GenpackError

ABSENT = "absent"


def of_value(value: object) -> str:
    """SHA-256 (hex) of a value's JSON; the order of lists and objects counts."""
    return hashlib.sha256(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def of_file(path: Path, algorithms: Iterable[str] = ("sha256",)) -> dict[str, str]:
    """Hex digests of a file's content, read once. Raises OSError."""
    hashes = {name: hashlib.new(name) for name in algorithms}
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            for digest in hashes.values():
                digest.update(block)
    return {name: digest.hexdigest() for name, digest in hashes.items()}


def walk(root: Path, *, skip: frozenset[str] = frozenset()) -> Iterator[tuple[str, os.stat_result]]:
    """Every path below a folder with its lstat, sorted by bytes, a folder before what is in it; `skip` are base
    names left out."""

    def below(folder: Path, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
        with os.scandir(folder) as entries:
            found = sorted((entry for entry in entries if entry.name not in skip), key=lambda e: os.fsencode(e.name))
        for entry in found:
            info = entry.stat(follow_symlinks=False)
            yield prefix + entry.name, info
            if stat.S_ISDIR(info.st_mode):
                yield from below(folder / entry.name, f"{prefix}{entry.name}/")

    yield from below(root, "")


def entries(root: Path, *, skip: frozenset[str] = frozenset()) -> dict[str, str] | None:
    """Path -> kind, permissions and content (symlink target or SHA-256) of everything in a folder; None if there is
    none. Raises GenpackError for what is neither file, folder nor symlink."""
    if not root.is_dir():
        return None
    found = {}
    for name, info in walk(root, skip=skip):
        path = root / name
        mode = stat.S_IMODE(info.st_mode)
        if stat.S_ISLNK(info.st_mode):
            found[name] = f"link {os.readlink(path)}"
        elif stat.S_ISDIR(info.st_mode):
            found[name] = f"folder {mode:o}"
        elif stat.S_ISREG(info.st_mode):
            found[name] = f"file {mode:o} {of_file(path)['sha256']}"
        else:
            raise GenpackError(f"{path} is neither a file, a folder nor a symlink", tip="remove it")
    return found


def of_entries(found: Mapping[str, str] | None) -> str:
    """SHA-256 (hex) over a folder's entries; ABSENT for None."""
    if found is None:
        return ABSENT
    total = hashlib.sha256()
    for name, entry in found.items():
        total.update(os.fsencode(name) + b"\0" + os.fsencode(entry) + b"\0")
    return total.hexdigest()


def of_folder(root: Path, *, skip: frozenset[str] = frozenset()) -> str:
    """SHA-256 (hex) over names, kinds, permissions, symlink targets and contents of a folder; ABSENT if there is none.
    Raises GenpackError for what is neither file, folder nor symlink."""
    return of_entries(entries(root, skip=skip))
