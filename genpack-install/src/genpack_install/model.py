# SPDX-License-Identifier: MIT
"""What the user asked for, and where it goes. Frozen data only; sizes in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

SECTOR = 512
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


class Mode(Enum):
    """What is made."""

    DISK = "disk"
    CDROM = "cdrom"
    ZIP = "zip"


class Scheme(Enum):
    """How a disk is divided; NONE: one FAT file system over all of it."""

    MBR = "dos"
    GPT = "gpt"
    NONE = "none"


@dataclass(frozen=True)
class Options:
    """What to make. `target`: device or file. `size`: bytes of a disk file that does not exist yet.
    `image` None: the running system's own."""

    mode: Mode
    target: Path
    image: Path | None
    system_cfg: Path | None = None
    system_ini: Path | None = None
    sample: bool = True
    label: str | None = None
    gpt: bool = False
    superfloppy: bool = False
    esp: bool = True
    additional: Path | None = None
    size: int | None = None
    bootloaders: Path | None = None
    random_ids: bool = False


@dataclass(frozen=True)
class Talk:
    """How to speak with the user. `yes`: ask nothing; `dry_run`: the plan alone; `json`: for programs."""

    yes: bool = False
    dry_run: bool = False
    json: bool = False


@dataclass(frozen=True)
class Target:
    """A disk to install to. `device`: a block device; otherwise a file, made anew with this size."""

    path: Path
    size: int
    sector: int
    device: bool


@dataclass(frozen=True)
class BootFile:
    """A file of the boot partition: its path there, and its content or where that is."""

    name: str
    content: bytes | None = None
    source: Path | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        if self.content is not None:
            return len(self.content)
        assert self.source is not None
        return self.source.stat().st_size
