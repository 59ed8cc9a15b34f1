# SPDX-License-Identifier: MIT
"""Reads a finished image, without mounting it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from genpack import process
from genpack.errors import UsageError
from genpack.squashfs import check_superblock

_ENTRY = re.compile(r"([\w+.-]+/\S+-\d\S*)\[(\S+)\]")
_FIELD = re.compile(r"# ([A-Z_]+): (.*)")
_SIZE = re.compile(r"-\S{9} \d+/\d+ +(\d+) \S+ \S+ [^/]+/(.*)")


@dataclass(frozen=True)
class Package:
    """One entry of /.genpack/packages; an empty text where the package says nothing. `name` has the version."""

    name: str
    slot: str
    needed_by: tuple[str, ...]
    description: str
    use: tuple[str, ...]
    homepage: str
    license: str


def check(image: Path) -> None:
    """Raises UsageError if a file is no SquashFS image."""
    if not image.is_file():
        raise UsageError(f"there is no image {image}", tip="name an image, or build one with 'genpack build'")
    check_superblock(image)


def read(image: Path, name: str) -> str:
    """The text of a file of an image. Raises UsageError if there is none, or the image can't be read."""
    check(image)
    result = process.run(["unsquashfs", "-no-progress", "-cat", image, name], check=False)
    if result.returncode != 0:
        said = result.stderr.decode(errors="replace").strip().splitlines()
        why = said[-1] if said else f"unsquashfs {process.ended(result.returncode)}"
        if name.startswith(".genpack/"):
            raise UsageError(f"{image} is no image of genpack's: no /{name} in it ({why})")
        raise UsageError(f"{image}: can't read /{name}: {why}")
    return result.stdout.decode(errors="replace")


def packages(image: Path) -> list[Package]:
    """The packages that an image says it is made of, by name."""
    return parse(read(image, ".genpack/packages"), str(image))


def parse(text: str, where: str) -> list[Package]:
    """Reads the text of /.genpack/packages. Raises UsageError."""
    found = []
    for entry in text.split("\n\n"):
        if not entry.strip():
            continue
        first, *rest = entry.strip().split("\n")
        name = _ENTRY.fullmatch(first)
        if name is None:
            raise UsageError(f"{where}: /.genpack/packages is damaged: '{first[:60]}' is no package")
        fields = {field[1]: field[2] for line in rest if (field := _FIELD.fullmatch(line))}
        found.append(
            Package(
                name=name[1],
                slot=name[2],
                needed_by=tuple(fields.get("NEEDED_BY", "").split()),
                description=fields.get("DESCRIPTION", ""),
                use=tuple(fields.get("USE", "").split()),
                homepage=fields.get("HOMEPAGE", ""),
                license=fields.get("LICENSE", ""),
            )
        )
    return sorted(found, key=lambda package: package.name)


def sizes(image: Path) -> dict[str, int]:
    """Bytes of every regular file of an image by its path; each name of a hard-linked file counts."""
    check(image)
    text = process.run(["unsquashfs", "-no-progress", "-lln", image]).stdout.decode(errors="surrogateescape")
    return {found[2]: int(found[1]) for line in text.splitlines() if (found := _SIZE.fullmatch(line))}
