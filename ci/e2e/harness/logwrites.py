# SPDX-License-Identifier: MIT
"""What a disk was told to write and to flush, recorded by QEMU's blklogwrites, and the disk as a power cut leaves it.

The format is that of Linux' dm-log-writes (drivers/md/dm-log-writes.c): a superblock, then an entry a sector, each
followed by the data that it writes.
"""

from __future__ import annotations

import functools
import mmap
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MAGIC = 0x6A736677736872
_SUPER = struct.Struct("<QQQI")
_ENTRY = struct.Struct("<QQQQ")
_FLUSH, _FUA, _DISCARD = 1, 2, 4
SECTOR = 512
_CHUNK = 128  # sectors


@dataclass(frozen=True)
class Entry:
    """A write of `data` at `sector`, or a flush (`data` empty). Sectors of 512 bytes."""

    sector: int
    data: bytes
    flush: bool


def read(path: Path) -> list[Entry]:
    """All entries in the order in which the disk got them. A flush with data comes before it."""
    found: list[Entry] = []
    with path.open("rb") as file:
        magic, version, count, size = _SUPER.unpack(file.read(_SUPER.size))
        assert (magic, version) == (_MAGIC, 1), (hex(magic), version)
        scale = size // SECTOR
        file.seek(size)
        for _ in range(count):
            sector, number, flags, _ = _ENTRY.unpack(file.read(_ENTRY.size))
            file.seek(size - _ENTRY.size, 1)
            if flags & _FLUSH:
                found.append(Entry(0, b"", flush=True))
            if flags & _DISCARD:  # what is discarded may stay as it is
                continue
            if number:
                found.append(Entry(sector * scale, file.read(number * size), flush=False))
            if flags & _FUA:
                found.append(Entry(0, b"", flush=True))
    return found


class Disk:
    """A disk's content as its sectors that differ from `base`; cheap to copy."""

    def __init__(self, base: bytes | mmap.mmap, changed: dict[int, bytes] | None = None) -> None:
        self.base = base
        self.changed = dict(changed or {})

    def write(self, sector: int, data: bytes) -> None:
        for number in range(len(data) // SECTOR):
            self.changed[sector + number] = data[number * SECTOR : (number + 1) * SECTOR]

    def read(self, sector: int, count: int = 1) -> bytes:
        if not self.changed:
            return self.base[sector * SECTOR : (sector + count) * SECTOR]
        return b"".join(
            self.changed.get(n, self.base[n * SECTOR : (n + 1) * SECTOR]) for n in range(sector, sector + count)
        )

    def save(self, path: Path, start: int, count: int) -> None:
        """A range of sectors to a file, sparse where the base has no data."""
        with path.open("wb") as file:
            file.truncate(count * SECTOR)
            for at in _used(self.base, start, count):
                file.seek((at - start) * SECTOR)
                file.write(self.base[at * SECTOR : (at + min(_CHUNK, start + count - at)) * SECTOR])
            for number, data in self.changed.items():
                if start <= number < start + count:
                    file.seek((number - start) * SECTOR)
                    file.write(data)


@functools.lru_cache(maxsize=16)
def _used(base: bytes | mmap.mmap, start: int, count: int) -> tuple[int, ...]:
    """The first sectors of the chunks of a range that are not all zero."""
    chunks = range(start, start + count, _CHUNK)
    return tuple(at for at in chunks if base[at * SECTOR : (at + _CHUNK) * SECTOR].strip(b"\0"))


@dataclass(frozen=True)
class Cut:
    """The disk after a power cut. `at`: number of entries before it. `what`: which of their sectors it has."""

    at: int
    what: str
    disk: Disk


def flushed(base: Disk, log: list[Entry]) -> Iterator[Cut]:
    """The states after every flush: everything before it is on the disk."""
    disk, dirty = Disk(base.base, base.changed), False
    for number, entry in enumerate(log, 1):
        if not entry.flush:
            disk.write(entry.sector, entry.data)
            dirty = True
        elif dirty:
            yield Cut(number, "flush", Disk(disk.base, disk.changed))
            dirty = False


def random_cuts(base: Disk, log: list[Entry], count: int, seed: int) -> Iterator[Cut]:
    """States in between: of what was written since the last flush each sector is there or not, in any order."""
    chance = random.Random(seed)
    # Where most is at stake, the writes between two flushes are few: each gap gets its share.
    gaps: list[tuple[int, int]] = []
    begun = 0
    for number, entry in enumerate(log):
        if entry.flush:
            if number > begun:
                gaps.append((begun, number))
            begun = number + 1
    if begun < len(log):
        gaps.append((begun, len(log)))
    solid, done = Disk(base.base, base.changed), 0
    for index, (first, last) in enumerate(gaps):
        while done < first:
            if not log[done].flush:
                solid.write(log[done].sector, log[done].data)
            done += 1
        share = count * (index + 1) // len(gaps) - count * index // len(gaps)
        for _ in range(share):
            at = chance.randint(first + 1, last)
            disk, kept = Disk(solid.base, solid.changed), chance.random()
            for entry in log[first:at]:
                for number in range(len(entry.data) // SECTOR):
                    if chance.random() < kept:
                        disk.write(entry.sector + number, entry.data[number * SECTOR : (number + 1) * SECTOR])
            yield Cut(at, f"random cut, {kept:.0%} of the sectors kept", disk)
