# SPDX-License-Identifier: MIT
"""File systems and disks in plain files, made without a mount: mkfs, mtools, sfdisk."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from harness.commands import run

MIB = 1 << 20
SECTOR = 512
#: Sectors before the first partition and between two: 1 MiB.
GAP = 2048


class Disks:
    """Makes them in `folder`, each under a name of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def blank(self, name: str, size: int) -> Path:
        """A file of `size` bytes without anything in it."""
        path = self.folder / name
        with path.open("wb") as file:
            file.truncate(size)
        return path

    def fat(self, name: str, uuid: str, files: dict[str, Path | str], *, mib: int = 40) -> Path:
        """A FAT32 file system with files; `uuid` is XXXX-XXXX."""
        path = self.blank(name, mib * MIB)
        run("mkfs.fat", "-F", "32", "-i", uuid.replace("-", ""), path).ok()
        for target, content in files.items():
            source = content
            if isinstance(source, str):
                source = self.folder / f"{name}.file"
                source.write_text(str(content))
            run("mcopy", "-i", path, source, f"::{target}").ok()
        return path

    def btrfs(self, name: str, label: str, tree: Path | None = None, *, mib: int = 128) -> Path:
        """A Btrfs file system with the files of `tree`."""
        path = self.blank(name, mib * MIB)
        run("mkfs.btrfs", "-q", "-L", label, *(("--rootdir", tree) if tree else ()), path).ok()
        return path

    def disk(self, name: str, *partitions: Path) -> Path:
        """A disk with an MBR and these file systems as its partitions."""
        sectors = [p.stat().st_size // SECTOR for p in partitions]
        path = self.blank(name, (sum(sectors) + GAP * (len(sectors) + 1)) * SECTOR)
        start, table = GAP, "label: dos\n"
        for size in sectors:
            table += f"start={start}, size={size}, type=c\n"
            start += size
        argv = ["/sbin/sfdisk", "-q", str(path)]
        done = subprocess.run(argv, input=table, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        start = GAP
        with path.open("r+b") as file:
            for partition, size in zip(partitions, sectors, strict=True):
                file.seek(start * SECTOR)
                with partition.open("rb") as source:
                    shutil.copyfileobj(source, file)
                start += size
        return path


def extent(disk: Path, number: int) -> tuple[int, int]:
    """(first byte, bytes) of a partition, counted from 1."""
    table = json.loads(run("/sbin/sfdisk", "--json", disk).ok().stdout)["partitiontable"]["partitions"]
    start, size = (table[number - 1][what] for what in ("start", "size"))
    return start * SECTOR, size * SECTOR


def partition(disk: Path, number: int, path: Path) -> Path:
    """`path`, a copy of the file system in a partition, counted from 1."""
    start, size = extent(disk, number)
    run("dd", f"if={disk}", f"of={path}", "bs=1M", f"skip={start}", f"count={size}",
        "iflag=skip_bytes,count_bytes", "conv=sparse", "status=none", timeout=300).ok()  # fmt: skip
    return path
