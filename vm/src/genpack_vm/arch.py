# SPDX-License-Identifier: MIT
"""Architectures: what the host is, what a kernel is for, which QEMU runs it."""

from __future__ import annotations

import platform
import struct
from enum import Enum

HEADER_BYTES = 4096  # enough of a kernel to tell what it is

_ELF = {3: "i686", 62: "x86_64", 183: "aarch64", 243: "riscv64"}  # e_machine, elf.h
_PE = {0x14C: "i686", 0x8664: "x86_64", 0xAA64: "aarch64", 0x5064: "riscv64"}  # PE/COFF Machine


class Arch(Enum):
    """genpack's names, which are what `uname -m` prints."""

    X86_64 = "x86_64"
    I686 = "i686"
    AARCH64 = "aarch64"
    RISCV64 = "riscv64"

    @property
    def qemu(self) -> str:
        """The QEMU program that runs it."""
        return f"qemu-system-{'i386' if self is Arch.I686 else self.value}"

    @property
    def is_x86(self) -> bool:
        """True for both kinds of PC."""
        return self in (Arch.X86_64, Arch.I686)

    def runs_on(self, host: Arch | None) -> bool:
        """True when KVM on `host` can run it."""
        return self is host or (self is Arch.I686 and host is Arch.X86_64)


def host_arch() -> Arch | None:
    """This machine's architecture; None for one that genpack does not know."""
    machine = platform.machine()
    if machine in ("i386", "i486", "i586"):
        machine = "i686"
    try:
        return Arch(machine)
    except ValueError:
        return None


def of_kernel(head: bytes) -> Arch | None:
    """The architecture that the first bytes of an unpacked kernel name; None when they name none.

    Sources: Documentation/arch/x86/boot.rst (HdrS), arm64/booting.rst, riscv/boot-image-header.rst in Linux.
    """
    if head[0x202:0x206] == b"HdrS":
        version = int.from_bytes(head[0x206:0x208], "little")
        # xloadflags bit 0 (XLF_KERNEL_64) exists since protocol 2.12; older kernels have no such mark.
        is_64 = version < 0x20C or (len(head) > 0x236 and bool(head[0x236] & 1))
        return Arch.X86_64 if is_64 else Arch.I686
    if head[56:60] == b"ARM\x64":
        return Arch.AARCH64
    if head[56:60] == b"RSC\x05":
        return Arch.RISCV64
    if head[:4] == b"\x7fELF" and len(head) >= 20:
        name = _ELF.get(int.from_bytes(head[18:20], "little"))  # all four are little-endian
        return Arch(name) if name else None
    if head[:2] == b"MZ" and len(head) >= 0x40:
        at = struct.unpack_from("<I", head, 0x3C)[0]
        if head[at : at + 4] == b"PE\0\0" and len(head) >= at + 6:
            name = _PE.get(struct.unpack_from("<H", head, at + 4)[0])
            return Arch(name) if name else None
    return None
