# SPDX-License-Identifier: MIT
"""What GRUB would start from a FAT32 as it lies on the disk, and what is left of it when the initramfs was there.

The reader is written from Microsoft's FAT specification and knows nothing of genpack-install. The order of names is
that of data/grub.cfg; what the initramfs does before it mounts is done by its own shell functions and fsck.fat.
"""

from __future__ import annotations

import hashlib
import mmap
import re
import struct
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.logwrites import Disk

NAMES = {b"SYSTEM  IMG": "system.img", b"SYSTEM  CUR": "system.cur", b"SYSTEM  NEW": "system.new",
         b"SYSTEM  OLD": "system.old", b"GRUBENV    ": "grubenv"}  # fmt: skip
_END = 0x0FFFFFF8


@dataclass(frozen=True)
class File:
    """A file of the root folder; its content is read when it is asked for."""

    cluster: int
    size: int
    fat: Fat

    @cached_property
    def content(self) -> bytes | None:
        """None: its chain of clusters is too short for its size, or damaged."""
        need = -(-self.size // (self.fat.per_cluster * 512))
        chain = self.fat.chain(self.cluster, need)
        return self.fat.clusters(chain)[: self.size] if len(chain) == need else None

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest() if self.content is not None else "broken"


class Fat:
    """The root folder of the FAT32 that begins at `start`, a number of sectors."""

    def __init__(self, disk: Disk, start: int) -> None:
        self.disk, self.start = disk, start
        boot = disk.read(start)
        assert boot[510:] == b"\x55\xaa"
        self.per_cluster, reserved, copies = boot[13], *struct.unpack_from("<HB", boot, 14)
        length, _, _, root = struct.unpack_from("<IHHI", boot, 36)
        self.table = disk.read(start + reserved, length)
        self.data = start + reserved + copies * length
        self.files = self._folder(root)

    def chain(self, first: int, limit: int) -> list[int]:
        found: list[int] = []
        cluster = first
        while 2 <= cluster < _END and len(found) < limit and cluster * 4 + 4 <= len(self.table):
            found.append(cluster)
            cluster = struct.unpack_from("<I", self.table, cluster * 4)[0] & 0x0FFFFFFF
        return found

    def clusters(self, chain: list[int]) -> bytes:
        return b"".join(self.disk.read(self.data + (c - 2) * self.per_cluster, self.per_cluster) for c in chain)

    def _folder(self, root: int) -> dict[str, File]:
        found: dict[str, File] = {}
        content = self.clusters(self.chain(root, 64))
        for at in range(0, len(content), 32):
            entry = content[at : at + 32]
            if entry[0] == 0:
                break
            name = NAMES.get(entry[:11])
            if entry[0] == 0xE5 or entry[11] == 0x0F or name is None or name in found:
                continue
            high, low, size = struct.unpack_from("<H4xHI", entry, 20)
            found[name] = File(high << 16 | low, size, self)
        return found

    def variable(self, key: str) -> str:
        """Of GRUB's environment block; empty if it has none."""
        file = self.files.get("grubenv")
        if file is None or file.content is None or not file.content.startswith(b"# GRUB Environment Block\n"):
            return ""
        found = re.search(rf"^{key}=(.*)$", file.content.decode("ascii", "replace"), re.MULTILINE)
        return found[1] if found else ""

    def starts(self) -> tuple[str, File] | None:
        """The image that GRUB takes: the first that is there."""
        verified = ["system.new"] if self.variable("new") else []
        names = ["system.img", "system.cur", *verified, "system.old"]
        if self.variable("tries") == "0":
            names = ["system.cur", "system.old", *verified, "system.img"]
        return next(((name, self.files[name]) for name in names if name in self.files and self.files[name].size), None)

    def shares(self) -> bool:
        """Whether two names have the same first cluster."""
        first = [file.cluster for name, file in self.files.items() if file.cluster and name != "grubenv"]
        return len(set(first)) < len(first)


def repaired(disk: Disk, start: int, sectors: int, booted: str, hook: Path, scratch: Path) -> Fat:
    """The file system as the initramfs mounts it after GRUB has started `booted`."""
    disk.save(scratch, start, sectors)
    if Fat(disk, start).shares():
        code = '. "$3/genpack-lib.sh"; . "$3/genpack-fat.sh"; GENPACK_KMSG=/dev/null; genpack_fat_unshare "$1" "$2"'
        done = subprocess.run(["/bin/sh", "-c", code, "sh", str(scratch), booted, str(hook)], check=False)
        assert done.returncode == 0
    done = subprocess.run(["/sbin/fsck.fat", "-aw", str(scratch)], capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stdout
    with scratch.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        fat = Fat(Disk(content), 0)
        for found in fat.files.values():
            _ = found.content  # while it can be read
        return fat


def trouble(disk: Disk, start: int, sectors: int, whole: set[str], hook: Path, scratch: Path) -> str | None:
    """Why a disk would not boot a complete image, one with a SHA-256 in `whole`, now and at the start after; None if it
    does both."""
    fat = Fat(disk, start)
    picked = fat.starts()
    if picked is None:
        return f"GRUB finds no image in {sorted(fat.files)}"
    name, file = picked
    if file.digest not in whole:
        return f"GRUB starts {name}, which is not whole: cluster {file.cluster}, {file.size} bytes"
    after = repaired(disk, start, sectors, name, hook, scratch)
    if name not in after.files or after.files[name].digest not in whole:
        return f"{name} was whole, and is not when the initramfs was there"
    again = after.starts()
    if again is None or again[1].digest not in whole:
        return f"the start after that of {name} has no complete image"
    return None
