# SPDX-License-Identifier: MIT
"""The architectures: genpack's names (what `uname -m` prints) and Gentoo's."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Arch:
    """`name` as in --arch and file names; `gentoo` names profile and mirror folders, `token` stage3 files."""

    name: str
    gentoo: str
    token: str


ARCHES = {
    arch.name: arch
    for arch in (
        Arch("x86_64", "amd64", "amd64"),
        Arch("i686", "x86", "i686"),
        Arch("aarch64", "arm64", "arm64"),
        Arch("riscv64", "riscv", "rv64_lp64d"),
    )
}


def host_arch() -> str:
    """The machine's own architecture, as `uname -m` prints it."""
    return os.uname().machine


def runs_natively(target: str, host: str) -> bool:
    """True if the host's processor runs the target's programs."""
    return target == host or (host, target) == ("x86_64", "i686")
