# SPDX-License-Identifier: MIT
"""A FAT32 file system inside a file or device, by mkfs.fat and mtools: no mount, no loop device."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from genpack_install import process
from genpack_install.errors import UsageError
from genpack_install.log import Log
from genpack_install.model import GIB, KIB, MIB, SECTOR, BootFile

PROGRAMS = ("mkfs.fat", "mmd", "mcopy")
#: Up to this size: this cluster.
_CLUSTERS = ((8 * GIB, 4 * KIB), (16 * GIB, 8 * KIB), (32 * GIB, 16 * KIB))
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


def _cluster(size: int, sector: int) -> int:
    """Bytes of a cluster, as in the table for FAT32 of Microsoft's specification."""
    if size <= 260 * MIB:  # FAT32 has 65,525 clusters at least
        return sector
    return next((cluster for limit, cluster in _CLUSTERS if size <= limit), 32 * KIB)


def make(target: Path, start: int, size: int, *, label: str, serial: int, log: Log, sector: int = SECTOR) -> None:
    """Makes an empty file system of `size` bytes, `start` bytes from the beginning of the target."""
    words: list[str | Path] = [
        "mkfs.fat",
        "--invariant",
        "-F",
        "32",
        "-n",
        label,
        "-i",
        f"{serial:08x}",
        "-S",
        str(sector),
    ]
    # mkfs.fat would take the size of the whole target for its choice of clusters, and so miss the least number of them.
    words += ["-s", str(_cluster(size, sector) // sector)]
    # Hidden sectors: what boot code of the partition would count from. --offset counts sectors too.
    words += ["-h", str(start // sector), f"--offset={start // sector}", "-I", target, str(size // KIB)]
    process.run(words, log)


def _mtools(target: Path, start: int, log: Log, epoch: int, program: str, *words: str | Path) -> None:
    env = {"MTOOLS_SKIP_CHECK": "1", "TZ": "UTC", "SOURCE_DATE_EPOCH": str(epoch), "MTOOLSRC": os.devnull}
    process.run([program, "-i", f"{target}@@{start}", *words], log, env=env)


def fill(target: Path, start: int, files: Sequence[BootFile], log: Log, *, epoch: int, replace: bool = False) -> None:
    """Copies files, in their order, into a file system that is there. `epoch`: their time in seconds. A file of the
    root folder gets its entry before the folders that come after it in the order. `replace`: they may be there."""
    made: set[str] = set()
    with TemporaryDirectory(prefix="genpack-install-") as temporary:
        top: list[Path] = []

        def flush() -> None:
            if top:
                _mtools(target, start, log, epoch, "mcopy", *(["-o"] if replace else []), *top, "::/")
                top.clear()

        for number, file in enumerate(files):
            folder, _, name = file.name.rpartition("/")
            source = file.source
            if source is None or (not folder and source.name != name):
                own = Path(temporary) / str(number)
                own.mkdir()
                source = own / name
                if file.source is None:
                    source.write_bytes(file.content or b"")
                else:
                    source.symlink_to(file.source.absolute())
            if not folder:
                top.append(source)
                continue
            flush()
            if new := [one for one in _folders([file]) if one.lower() not in made]:
                _mtools(target, start, log, epoch, "mmd", *(f"::{one}" for one in new))
                made |= {one.lower() for one in new}
            _mtools(target, start, log, epoch, "mcopy", source, f"::{file.name}")
        flush()
