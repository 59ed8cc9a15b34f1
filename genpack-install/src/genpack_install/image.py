# SPDX-License-Identifier: MIT
"""The image to install: checked before anything is written.

The superblock is read here (Documentation/filesystems/squashfs.rst in Linux and squashfs_fs.h of squashfs-tools), all
else through unsquashfs: one listing, and the few files that are needed.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from genpack_install import process
from genpack_install.errors import ImageError, InstallError
from genpack_install.log import Log

_SUPERBLOCK = struct.Struct("<IIIIIHHHHHHQQQQQQQQ")
_MAGIC = 0x73717368
_COMPRESSORS = {1: "gzip", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"}
#: What GRUB's squash4 module reads; an uncompressed image names one of these too.
GRUB_READS = ("gzip", "lzo", "xz")
_LINE = re.compile(r"(?P<mode>[-dlcbps]\S{9}) \S+ +(?P<size>\d+)(?:, *\d+)? \S+ \S+ (?P<rest>.*)")
LOADERS = "usr/lib/genpack-install"
_LINKS = 40  # as Linux follows at most


@dataclass(frozen=True)
class Entry:
    """A file of the image. `kind` is the first letter of its mode as ls prints it; `target` of a link."""

    kind: str
    size: int
    target: str = ""


@dataclass(frozen=True)
class Image:
    """A checked image. `names`: every path in it, without a leading slash."""

    path: Path
    size: int
    compressor: str
    artifact: str
    variant: str
    arch: str
    raspberry_pi: bool
    names: dict[str, Entry]

    @property
    def title(self) -> str:
        """For people: artifact, variant, architecture."""
        variant = f" ({self.variant})" if self.variant else ""
        return f"{self.artifact}{variant} for {self.arch}"

    def below(self, folder: str) -> list[str]:
        """Regular files below a folder, sorted."""
        return sorted(name for name, entry in self.names.items() if name.startswith(f"{folder}/") and entry.kind == "-")

    def extract(self, log: Log, to: Path, *paths: str) -> None:
        """Unpack files or folders, links as links, into the folder `to`, which must not exist."""
        words: list[str | Path] = ["unsquashfs", "-no-progress", "-no-xattrs", "-dest", to, self.path, *paths]
        process.run(words, log, tip="is the disk for temporary files (TMPDIR) full, or the image damaged?")

    def sha256(self) -> str:
        """SHA-256 (hex) of the whole file."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def superblock(path: Path) -> tuple[int, str]:
    """(bytes of the file system, compressor) of a SquashFS file; ImageError if it is none or cut."""
    try:
        with path.open("rb") as file:
            head = file.read(_SUPERBLOCK.size)
            size = file.seek(0, 2)
    except OSError as e:
        raise ImageError(f"cannot read the image {path}: {e.strerror}") from e
    if len(head) < _SUPERBLOCK.size or struct.unpack_from("<I", head)[0] != _MAGIC:
        raise ImageError(f"{path} is not a SquashFS image", tip="give the .squashfs file that genpack has built")
    fields = _SUPERBLOCK.unpack(head)
    compression, used = fields[5], fields[12]
    if size < used:
        raise ImageError(f"{path} is truncated: {size} bytes, its superblock says {used}", tip="copy it again")
    if compression not in _COMPRESSORS:
        raise ImageError(f"{path}: unknown compression {compression}: the superblock is damaged", tip="copy it again")
    return used, _COMPRESSORS[compression]


def listing(text: str) -> dict[str, Entry]:
    """Path -> entry of unsquashfs -lls output, whose paths begin with "squashfs-root"."""
    found: dict[str, Entry] = {}
    for line in text.splitlines():
        if not (match := _LINE.fullmatch(line)):
            continue
        kind = match["mode"][0]
        name, _, target = match["rest"].partition(" -> ") if kind == "l" else (match["rest"], "", "")
        path = name.removeprefix("squashfs-root").lstrip("/")
        if path:
            found[path] = Entry(kind, int(match["size"]), target)
    return found


def resolve(names: dict[str, Entry], path: str) -> str | None:
    """Where a path leads inside the image, links followed; None if it leads nowhere, or out of the image."""
    todo, done, links = path.split("/"), "", 0
    while todo:
        part = todo.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            if not done:
                return None
            done = posixpath.dirname(done)
            continue
        here = f"{done}/{part}".lstrip("/")
        entry = names.get(here)
        if entry is None:
            return None
        if entry.kind == "l":
            links += 1
            if links > _LINKS:
                return None
            done = "" if entry.target.startswith("/") else done
            todo = entry.target.split("/") + todo
        else:
            done = here
    return done


def _boots(path: Path, names: dict[str, Entry]) -> bool:
    """True for a Raspberry Pi image; ImageError if the image has nothing that boots."""
    if "boot/bootcode.bin" in names:
        return True
    for name in ("boot/kernel", "boot/initramfs"):
        if name not in names:
            raise ImageError(f"{path} has no /{name}", tip="build it with a profile that brings a kernel")
        found = resolve(names, name)
        if found is None or names[found].kind != "-":
            raise ImageError(f"{path}: /{name} leads nowhere in the image ({names[name].target or 'no file'})")
    return False


def check(path: Path, log: Log) -> Image:
    """Read and check an image. ImageError says what is wrong with it."""
    used, compressor = superblock(path)
    process.require(["unsquashfs"])
    try:
        names = listing(process.run(["unsquashfs", "-lls", path], log).stdout)
    except InstallError as e:
        raise ImageError(f"{path} is damaged: {e}", tip="copy or build it again") from e
    if names.get(".genpack", Entry("-", 0)).kind != "d":
        raise ImageError(f"{path} has no /.genpack: it was not made by genpack")
    raspberry_pi = _boots(path, names)

    def said(name: str) -> str:
        if names.get(f".genpack/{name}", Entry("d", 0)).kind != "-":
            return ""
        return process.run(["unsquashfs", "-cat", path, f".genpack/{name}"], log).stdout.strip()

    return Image(
        path=path.absolute(),
        size=used,
        compressor=compressor,
        artifact=said("artifact") or path.stem,
        variant=said("variant"),
        arch=said("arch") or "an unknown architecture",
        raspberry_pi=raspberry_pi,
        names=names,
    )
