# SPDX-License-Identifier: MIT
"""Where an image's bytes are: each file with its size and the package that owns it, noted when the image is packed."""

from __future__ import annotations

import json
import stat
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from genpack import files, hashing
from genpack.errors import GenpackError
from genpack.vardb import Database

VERSION = 1


@dataclass(frozen=True)
class File:
    """A regular file. `size`: bytes, uncompressed; `package`: its owner, None for what no package brought."""

    path: str
    size: int
    package: str | None


@dataclass(frozen=True)
class Usage:
    """The files of the image whose SHA-256 is `image`, by path. Of hard links only the first counts."""

    image: str
    files: tuple[File, ...]

    @property
    def total(self) -> int:
        return sum(file.size for file in self.files)


def regular_files(upper: Path, left_out: Collection[str]) -> list[tuple[str, int]]:
    """(path, bytes) of every regular file that comes into the image."""
    found, gone, seen = [], tuple(f"{name}/" for name in left_out), set()
    for name, info in hashing.walk(upper):
        if not stat.S_ISREG(info.st_mode) or name in left_out or name.startswith(gone):
            continue
        if info.st_nlink > 1:
            if info.st_ino in seen:
                continue
            seen.add(info.st_ino)
        found.append((name, info.st_size))
    return found


def owned(found: Iterable[tuple[str, int]], packages: Iterable[str], database: Database) -> tuple[File, ...]:
    """The files with their owners, by what the lower layer's database says."""
    owners = {path: name for name in packages for path in database.contents(name)}
    return tuple(File(path, size, owners.get(path)) for path, size in found)


def save(path: Path, usage: Usage) -> None:
    """Writes the record."""
    names = sorted({file.package for file in usage.files if file.package})
    index: dict[str | None, int] = {name: number for number, name in enumerate(names)}
    rows = [[file.path, file.size, index.get(file.package, -1)] for file in usage.files]
    content = {"version": VERSION, "image": usage.image, "packages": names, "files": rows}
    text = json.dumps(content, separators=(",", ":"))  # ASCII: names that are no UTF-8 survive as escapes
    files.write(path, text.encode())


def load(path: Path) -> Usage:
    """Reads the record. Raises GenpackError if there is none, or one of another version."""
    try:
        data = json.loads(path.read_bytes())
        if data["version"] != VERSION:
            raise ValueError(f"version {data['version']}")
        names = data["packages"]
        rows = tuple(File(row[0], row[1], names[row[2]] if row[2] >= 0 else None) for row in data["files"])
        return Usage(data["image"], rows)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise GenpackError(f"can't read {path}: {error}", tip="pack again with 'genpack pack'") from error
