# SPDX-License-Identifier: MIT
"""Display, PCI, USB and 9p devices: as they are asked for, and checked."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from genpack_vm.errors import UsageError

_PCI = re.compile(r"(?:[0-9a-f]{4}:)?[0-9a-f]{2}:[01][0-9a-f]\.[0-7]")
_TAG = re.compile(r"[A-Za-z0-9._-]{1,31}")
_RESOLUTION = re.compile(r"(\d{2,5})x(\d{2,5})")


class Gpu(Enum):
    """The graphics adapter."""

    PLAIN = "2d"
    QXL = "qxl"
    OPENGL = "opengl"
    VULKAN = "vulkan"

    @property
    def renders(self) -> bool:
        """True when the host's GPU draws for the guest."""
        return self in (Gpu.OPENGL, Gpu.VULKAN)


@dataclass(frozen=True)
class Display:
    """A screen. `backend`: a window of QEMU's, if it is neither `spice` nor `vnc`."""

    gpu: Gpu = Gpu.PLAIN
    backend: str | None = None
    spice: str | None = None
    vnc: str | None = None
    outputs: int = 1
    render_node: str | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True)
class Pci:
    """A PCI device of the host for the guest (VFIO)."""

    address: str
    multifunction: bool = False
    vga: bool = False
    rom: Path | None = None


@dataclass(frozen=True)
class Usb:
    """A USB device of the host for the guest: by its place, or by its device node."""

    bus: int = 0
    address: int = 0
    node: Path | None = None


@dataclass(frozen=True)
class Share:
    """A folder of the host for the guest by 9p."""

    folder: Path
    tag: str


def parse_resolution(text: str, what: str) -> tuple[int, int]:
    """WIDTHxHEIGHT."""
    match = _RESOLUTION.fullmatch(text)
    if match is None:
        raise UsageError(f"{what} {text!r} is not a resolution", tip="write WIDTHxHEIGHT, such as 1920x1080")
    return int(match[1]), int(match[2])


def parse_gpu(text: str, what: str) -> Gpu:
    """2d, qxl, opengl or vulkan."""
    try:
        return Gpu(text)
    except ValueError:
        raise UsageError(f"{what} {text!r} is unknown", tip="known are 2d, qxl, opengl, vulkan") from None


def make_pci(address: str, *, multifunction: bool, vga: bool, rom: str | None, what: str) -> Pci:
    """A PCI device, its address checked."""
    if not _PCI.fullmatch(address.lower()):
        raise UsageError(f"{what} {address!r} is not a PCI address", tip="such as 01:00.0; `lspci` lists them")
    if rom is not None and not Path(rom).is_file():
        raise UsageError(f"{what}: there is no {rom}")
    return Pci(address.lower(), multifunction, vga, None if rom is None else Path(rom).absolute())


def parse_pci(text: str) -> Pci:
    """ID[,multifunction][,vga][,romfile=FILE]."""
    address, *words = text.split(",")
    rom = None
    for word in words:
        if word.startswith("romfile="):
            rom = word.removeprefix("romfile=")
        elif word not in ("multifunction", "vga"):
            tip = "write ID[,multifunction][,vga][,romfile=FILE]"
            raise UsageError(f"--pci {text!r}: {word!r} is unknown", tip=tip)
    return make_pci(address, multifunction="multifunction" in words, vga="vga" in words, rom=rom, what="--pci")


def parse_share(text: str) -> Share:
    """PATH:TAG."""
    folder, colon, tag = text.rpartition(":")
    if not colon or not _TAG.fullmatch(tag):
        raise UsageError(f"--9p {text!r} is not PATH:TAG", tip="a tag is 1-31 of A-Z a-z 0-9 . _ -")
    if not Path(folder).is_dir():
        raise UsageError(f"--9p: there is no folder {folder}")
    return Share(Path(os.path.abspath(folder)), tag)  # noqa: PTH100  symlinks stay
