# SPDX-License-Identifier: MIT
"""An image of each profile for which the mirror has the packages, from nothing, with everything genpack/base brings.

paravirt and systemimg are built in every run, lean and booted: test_hello_image.py, test_machine_disk.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import squashfs
from harness.commands import run
from harness.images import Builder, check_metadata, check_nobody_elses, define

#: Packages of genpack/base by its flags, all of which are on.
BASE = ("sys-process/audit", "sys-fs/btrfs-progs", "sys-process/cronie", "app-admin/logrotate", "net-misc/openssh",
        "dev-debug/strace", "net-analyzer/tcpdump", "app-editors/vim", "net-vpn/wireguard-tools", "sys-fs/xfsprogs",
        "sys-apps/genpack-init", "sys-kernel/gentoo-kernel-bin", "virtual/dist-kernel")  # fmt: skip
HARDWARE = ("sys-kernel/linux-firmware", "sys-apps/pciutils", "sys-apps/smartmontools", "sys-apps/memtest86+")
#: Profile -> what it brings beyond genpack/base, and what it does not.
PROFILES: dict[str | None, tuple[tuple[str, ...], tuple[str, ...]]] = {
    None: ((), ("genpack/paravirt", "genpack/systemimg")),
    "paravirt": (("genpack/paravirt", "app-emulation/qemu-guest-agent", "net-misc/socat"), ("genpack/systemimg",)),
    "systemimg": (("genpack/systemimg", "sys-apps/kbd"), ("genpack/paravirt", *HARDWARE)),
    "baremetal": (("genpack/systemimg", "sys-apps/kbd", *HARDWARE), ("genpack/paravirt",)),
}


@pytest.mark.full
@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_profile(builder: Builder, tmp_path: Path, profile: str | None) -> None:
    name = f"all-{profile or 'root'}"
    try:
        image = builder.build(define(tmp_path / "artifact", name, profile), name, tmp_path / "work", tmp_path)
    finally:
        run("rm", "-rf", tmp_path / "work")
    names = check_metadata(image, name, profile or "")
    there, absent = PROFILES[profile]

    def has(package: str) -> bool:
        return any(n.startswith(f"{package}-") and n[len(package) + 1].isdigit() for n in names)

    assert [p for p in (*BASE, *there) if not has(p)] == []
    assert [p for p in absent if has(p)] == []
    files = squashfs.listing(image)
    check_nobody_elses(files)
    assert {"boot/kernel", "boot/initramfs"} <= set(files)
