# SPDX-License-Identifier: MIT
"""The architectures: genpack's names (what `uname -m` prints), Gentoo's, QEMU's, and how their programs look."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Arch:
    """`name` as in --arch and file names; `gentoo` names profile and mirror folders, `token` stage3 files, `qemu` the
    emulator. `elf_class` (1: 32 bits, 2: 64 bits) and `elf_machine` are in the header of its programs (elf.h)."""

    name: str
    gentoo: str
    token: str
    qemu: str
    elf_class: int
    elf_machine: int


ARCHES = {
    arch.name: arch
    for arch in (
        Arch("x86_64", "amd64", "amd64", "x86_64", 2, 62),
        Arch("i686", "x86", "i686", "i386", 1, 3),
        Arch("aarch64", "arm64", "arm64", "aarch64", 2, 183),
        Arch("riscv64", "riscv", "rv64_lp64d", "riscv64", 2, 243),
    )
}


def host_arch() -> str:
    """The machine's own architecture, as `uname -m` prints it."""
    return os.uname().machine


def runs_natively(target: str, host: str) -> bool:
    """True if the host's processor runs the target's programs."""
    return target == host or (host, target) == ("x86_64", "i686")
