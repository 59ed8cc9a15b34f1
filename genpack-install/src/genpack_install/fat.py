# SPDX-License-Identifier: MIT
"""A FAT32 file system inside a file or device, by mkfs.fat and mtools: no mount, no loop device."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from genpack_install import process
from genpack_install.errors import UsageError
from genpack_install.log import Log
from genpack_install.model import KIB, SECTOR, BootFile

PROGRAMS = ("mkfs.fat", "mmd", "mcopy")
_FORBIDDEN = set('"*+,./:;<=>?[\\]|')


def check_label(label: str) -> str:
    """The label in the capital letters that FAT keeps; UsageError if it can't be one."""
    if not 1 <= len(label) <= 11 or not label.isascii() or not label.isprintable() or set(label) & _FORBIDDEN:
        raise UsageError(
            f"--label {label!r} can't be the name of a FAT file system",
            tip="1 to 11 characters: letters, digits, space, - and _",
        )
    return label.upper()


def uuid(serial: int) -> str:
    """The UUID as blkid and GRUB print it."""
    return f"{serial >> 16:04X}-{serial & 0xFFFF:04X}"


def _folders(files: Sequence[BootFile]) -> list[str]:
    """Every folder that the files need, parents first."""
    found: dict[str, None] = {}
    for file in files:
        parts = posixpath.dirname(file.name).split("/")
        for count in range(1, len(parts) + 1):
            folder = "/".join(parts[:count])
            if folder:
                found[folder] = None
    return sorted(found, key=lambda folder: (folder.count("/"), folder))


def make(target: Path, start: int, size: int, *, label: str, serial: int, log: Log) -> None:
    """Makes an empty file system of `size` bytes, `start` bytes from the beginning of the target."""
    words: list[str | Path] = ["mkfs.fat", "-F", "32", "-n", label, "-i", f"{serial:08x}", "-S", str(SECTOR)]
    # Hidden sectors: what boot code of the partition would count from.
    words += ["-h", str(start // SECTOR), f"--offset={start // SECTOR}", "-I", target, str(size // KIB)]
    process.run(words, log)


def fill(target: Path, start: int, files: Sequence[BootFile], log: Log, *, epoch: int | None = None) -> None:
    """Copies files into a file system that is there. `epoch`: their time in seconds; None: now."""
    place = f"{target}@@{start}"
    env = {"MTOOLS_SKIP_CHECK": "1", "TZ": "UTC", **({} if epoch is None else {"SOURCE_DATE_EPOCH": str(epoch)})}
    if folders := _folders(files):
        process.run(["mmd", "-i", place, *(f"::{folder}" for folder in folders)], log, env=env)
    with TemporaryDirectory(prefix="genpack-install-") as temporary:
        for number, file in enumerate(files):
            source = file.source
            if file.content is not None:
                source = Path(temporary) / str(number)
                source.write_bytes(file.content)
            assert source is not None
            process.run(["mcopy", "-i", place, source, f"::{file.name}"], log, env=env)
