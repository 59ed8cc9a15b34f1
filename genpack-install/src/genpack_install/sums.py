# SPDX-License-Identifier: MIT
"""`system.sum` beside the images: SHA-256, bytes, fingerprint and title of each image that was put there, a line each.

It says nothing of names, which change at updates: an image is whole if its SHA-256 is one of these.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from genpack_install import files
from genpack_install.image import Image

NAME = "system.sum"


@dataclass(frozen=True)
class Sum:
    """What is known of an image: SHA-256 (hex), bytes, `Image.fingerprint` (hex), and what it is for people."""

    digest: str
    size: int
    fingerprint: str
    title: str

    def line(self) -> str:
        """Its line of the file."""
        return f"{self.digest} {self.size} {self.fingerprint} {self.title}\n"


def of(image: Image) -> Sum:
    """What is to be recorded of an image; all of it is read."""
    with image.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Sum(digest, image.size, image.fingerprint.hex(), image.title)


def parse(text: str) -> list[Sum]:
    """The lines that are ones."""
    found = []
    for line in text.splitlines():
        digest, size, fingerprint, title, *_ = [*line.split(" ", 3), "", "", "", ""]
        if len(digest) == 64 and size.isascii() and size.isdigit():
            found.append(Sum(digest, int(size), fingerprint, title))
    return found


def read(folder: Path) -> list[Sum]:
    """What is recorded in a folder."""
    try:
        return parse((folder / NAME).read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return []


def add(folder: Path, new: Sum, keep: int = 4) -> None:
    """Records an image; of those before, the `keep` youngest stay."""
    old = [known for known in read(folder) if known.digest != new.digest]
    files.write(folder / NAME, "".join(known.line() for known in [*old[-keep:], new]).encode())
