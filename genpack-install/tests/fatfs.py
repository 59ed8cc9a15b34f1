# SPDX-License-Identifier: MIT
"""What tests look at in a FAT32 file system inside a file: by mtools, fsck.fat and, for what these hide, by itself."""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path


class Fat:
    """A file system from byte `start` on."""

    def __init__(self, path: Path, start: int = 0) -> None:
        self.path, self.start = path, start

    def _tool(self, program: str, *words: str) -> bytes:
        argv = [program, "-i", f"{self.path}@@{self.start}", *words]
        return subprocess.run(argv, check=True, capture_output=True, env={"MTOOLS_SKIP_CHECK": "1", "TZ": "UTC"}).stdout

    def names(self) -> set[str]:
        """All files."""
        lines = self._tool("mdir", "-b", "-/", "::").decode().splitlines()
        return {line.removeprefix("::/") for line in lines if not line.endswith("/")}

    def read(self, name: str) -> bytes:
        return self._tool("mtype", f"::{name}")

    def label_and_serial(self) -> tuple[str, str]:
        text = self._tool("mdir", "::").decode()
        label = re.search(r"Volume in drive : is (\S+)", text)
        serial = re.search(r"Volume Serial Number is (\S+)", text)
        assert label and serial, text
        return label[1], serial[1]

    def first_sector_of_root(self) -> list[bytes]:
        """The 11 letters of each of its entries that is in use."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            boot = file.read(512)
            reserved, tables = struct.unpack_from("<HB", boot, 14)
            (size,) = struct.unpack_from("<I", boot, 36)
            file.seek(self.start + (reserved + tables * size) * 512)
            sector = file.read(512)
        entries = [sector[at : at + 32] for at in range(0, 512, 32)]
        return [entry[:11] for entry in entries if entry[0] not in (0, 0xE5) and entry[11] != 0x0F]

    def check(self, folder: Path, size: int) -> str:
        """What fsck.fat says; it must find nothing."""
        part = folder / "fat-to-check"
        with self.path.open("rb") as file, part.open("wb") as out:
            file.seek(self.start)
            left = size
            while left:
                block = file.read(min(left, 1 << 22))
                out.write(block)
                left -= len(block)
        done = subprocess.run(["fsck.fat", "-n", "-v", part], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        return done.stdout
