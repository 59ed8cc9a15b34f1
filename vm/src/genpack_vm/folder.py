# SPDX-License-Identifier: MIT
"""A folder with boot/ as an image: the same questions as to module `squashfs`, symlinks followed inside the folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from genpack_vm import paths
from genpack_vm.errors import ImageError
from genpack_vm.squashfs import BLOCK, Image, Kind
from genpack_vm.tree import Layer


@dataclass(frozen=True)
class _File:
    """What is asked of a file."""

    size: int


@dataclass(frozen=True)
class _Place:
    """A path in the folder, and whether a symlink is there."""

    path: str
    link: bool


class Folder:
    """An image that is a folder; a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._layer = Layer(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._layer.close()

    def _status(self, path: str) -> os.stat_result | None:
        real = self.resolve(path)
        return None if real is None else self._layer.status(real)

    def resolve(self, path: str) -> str | None:
        """The real path (no leading slash) behind `path`; None if missing."""

        def child(folder: _Place, name: str) -> _Place | None:
            here = f"{folder.path}/{name}".lstrip("/")
            status = self._layer.status(here)
            return None if status is None else _Place(here, stat.S_ISLNK(status.st_mode))

        def link(place: _Place) -> str | None:
            return self._layer.target(place.path) if place.link else None

        too_many = ImageError(f"{self.path}: too many symlinks behind /{path}")
        way = paths.follow(path, _Place("", link=False), child, link, too_many)
        return None if way is None else paths.real(way)

    def kind(self, path: str) -> Kind | None:
        """What `path` is after following symlinks; None when it does not exist."""
        status = self._status(path)
        if status is None:
            return None
        found = stat.S_IFMT(status.st_mode)
        return Kind(found) if found in (stat.S_IFDIR, stat.S_IFREG) else Kind.OTHER

    def names(self, path: str) -> list[str]:
        """Sorted names in the folder `path`; empty when it is no folder."""
        real = self.resolve(path)
        return sorted(self._layer.names(real)) if real is not None and self.kind(real) is Kind.FOLDER else []

    def file(self, path: str) -> _File:
        """The file at `path`; ImageError when it is none."""
        status = self._status(path)
        if status is None or not stat.S_ISREG(status.st_mode):
            raise ImageError(f"{self.path}: /{path} is not a file in the image")
        return _File(status.st_size)

    def blocks(self, path: str) -> Iterator[memoryview]:
        """The file's bytes in pieces."""
        self.file(path)
        try:
            fd = self._layer.open(self.resolve(path) or path)
        except OSError as e:
            raise ImageError(f"{self.path}: cannot read /{path}: {e.strerror}") from e
        with os.fdopen(fd, "rb", buffering=0) as file:
            while piece := file.read(BLOCK):
                yield memoryview(piece)

    def read(self, path: str, limit: int) -> bytes:
        """The first `limit` bytes of a small file."""
        return next((bytes(block[:limit]) for block in self.blocks(path)), b"")


def open_image(path: Path) -> Image | Folder:
    """The image at `path`, be it a file or a folder."""
    return Folder(path) if path.is_dir() else Image(path)
