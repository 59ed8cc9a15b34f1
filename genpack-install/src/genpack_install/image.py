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
from collections.abc import Callable
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
#: The unit of an image that says that a boot was good.
GOOD_UNIT = "usr/lib/systemd/system/genpack-boot-complete.service"
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
    """A checked image. `names`: the paths in it that matter here, without a leading slash. `created`: seconds since
    1970. `fingerprint`: 32 bytes that stand for the image where reading all of it would take long."""

    path: Path
    size: int
    compressor: str
    artifact: str
    variant: str
    arch: str
    raspberry_pi: bool
    names: dict[str, Entry]
    created: int
    fingerprint: bytes

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

    def grub_reads_it(self) -> None:
        """ImageError if GRUB can't: kernel and initramfs are read by it out of the image."""
        if self.compressor not in GRUB_READS:
            raise ImageError(
                f"{self.path} is compressed with {self.compressor}: GRUB, which reads its kernel, can't do that",
                tip="pack it again: genpack pack --compression gzip",
            )


@dataclass(frozen=True)
class Superblock:
    """`size`: bytes of the file; `used`: of the file system. `tables`: where its tables begin."""

    size: int
    used: int
    compressor: str
    created: int
    tables: int


def superblock(path: Path) -> Superblock:
    """The superblock of a SquashFS file; ImageError if it is none or cut."""
    try:
        with path.open("rb") as file:
            head = file.read(_SUPERBLOCK.size)
            size = file.seek(0, 2)
    except OSError as e:
        raise ImageError(f"cannot read the image {path}: {e.strerror}") from e
    if len(head) < _SUPERBLOCK.size or struct.unpack_from("<I", head)[0] != _MAGIC:
        raise ImageError(f"{path} is not a SquashFS image", tip="give the .squashfs file that genpack has built")
    fields = _SUPERBLOCK.unpack(head)
    created, compression, used, tables = fields[2], fields[5], fields[12], fields[15]
    if size % 512:  # mksquashfs fills up to 4 KiB for this reason
        raise ImageError(
            f"{path} has {size} bytes, no multiple of 512: a loop device would hide its end", tip="build it again"
        )
    if size < used:
        raise ImageError(f"{path} is truncated: {size} bytes, its superblock says {used}", tip="copy it again")
    if compression not in _COMPRESSORS or tables >= used:
        raise ImageError(f"{path} is damaged: its superblock makes no sense", tip="copy or build it again")
    return Superblock(size, used, _COMPRESSORS[compression], created, tables)


def _fingerprint(path: Path, head: Superblock) -> bytes:
    """SHA-256 of the superblock and the tables, which name each block of data with its size: a few MB at most."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(_SUPERBLOCK.size))
        file.seek(head.tables)
        left = head.used - head.tables
        while left and (block := file.read(min(left, 1 << 20))):
            digest.update(block)
            left -= len(block)
    return digest.digest()


def fingerprint(path: Path) -> bytes:
    """`Image.fingerprint` of a file that was not checked; ImageError if it is no image."""
    return _fingerprint(path, superblock(path))


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


def resolve(lookup: Callable[[str, str], Entry | None], path: str) -> str | None:
    """Where a path leads inside the image, links followed; None if it leads nowhere, or out of the image.
    `lookup`: an entry by its path; it is also told what is asked for below it."""
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
        entry = lookup(here, "/".join(todo))
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


@dataclass(frozen=True)
class _Reader:
    """Looks into an image that has many thousand files, and keeps only what was asked for in memory."""

    path: Path
    log: Log
    names: dict[str, Entry]

    def list(self, *wanted: str) -> None:
        """Adds the paths given, all below them, and the folders that lead to them."""
        try:
            self.names.update(listing(process.run(["unsquashfs", "-lls", self.path, *wanted], self.log).stdout))
        except InstallError as e:
            raise ImageError(f"{self.path} is damaged: {e}", tip="copy or build it again") from e

    def entry(self, name: str, rest: str) -> Entry | None:
        """An entry by its path. `rest`: what is asked for below it, so that a folder is not listed as a whole."""
        for wanted in dict.fromkeys((f"{name}/{rest}".rstrip("/"), name)):
            if name not in self.names:
                self.list(wanted)
        return self.names.get(name)

    def text(self, name: str) -> str:
        """The content of a small file; empty if there is none."""
        if self.names.get(name, Entry("d", 0)).kind != "-":
            return ""
        return process.run(["unsquashfs", "-cat", self.path, name], self.log).stdout.strip()

    def raspberry_pi(self) -> bool:
        """True for a Raspberry Pi image; ImageError if the image has nothing that boots."""
        if "boot/bootcode.bin" in self.names:
            return True
        for name in ("boot/kernel", "boot/initramfs"):
            if name not in self.names:
                raise ImageError(f"{self.path} has no /{name}", tip="build it with a profile that brings a kernel")
            found = resolve(self.entry, name)
            if found is None or self.names[found].kind != "-":
                where = self.names[name].target or "no file"
                raise ImageError(
                    f"{self.path}: /{name} leads nowhere in the image ({where})", tip="link to a file of the image"
                )
        return False


def check(path: Path, log: Log) -> Image:
    """Read and check an image. ImageError says what is wrong with it."""
    head = superblock(path)
    process.require(["unsquashfs"])
    reader = _Reader(path, log, {})
    reader.list(".genpack", "boot", LOADERS, GOOD_UNIT)
    # All tables of inodes and folders, which a look at some of the paths does not read.
    try:
        process.run(["unsquashfs", "-ls", path], log, keep=False)
    except InstallError as e:
        raise ImageError(f"{path} is damaged: {e}", tip="copy or build it again") from e
    if reader.names.get(".genpack", Entry("-", 0)).kind != "d":
        raise ImageError(f"{path} has no /.genpack: it was not made by genpack", tip="build it with genpack")
    raspberry_pi = reader.raspberry_pi()
    return Image(
        path=path.absolute(),
        size=head.size,
        compressor=head.compressor,
        artifact=reader.text(".genpack/artifact") or path.stem,
        variant=reader.text(".genpack/variant"),
        arch=reader.text(".genpack/arch") or "an unknown architecture",
        raspberry_pi=raspberry_pi,
        names=reader.names,
        created=head.created,
        fingerprint=_fingerprint(path, head),
    )
