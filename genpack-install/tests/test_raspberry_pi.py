# SPDX-License-Identifier: MIT
"""An image as Raspberry Pi OS' boot folder looks: firmware, device trees, overlays, a kernel each, cmdline.txt."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from conftest import Run, make_image
from fatfs import Fat
from genpack_install import raspberry_pi

MIB = 1 << 20
CMDLINE = "console=serial0,115200 console=tty1 root=PARTUUID=12345678-02 rootfstype=ext4 fsck.repair=yes rootwait\n"
CONFIG = "arm_64bit=1\nkernel=kernel8.img\ninitramfs initramfs8 followkernel\n"
FILES = {
    "bootcode.bin": "bootcode",
    "start.elf": "start",
    "fixup.dat": "fixup",
    "start4.elf": "start4",
    "fixup4.dat": "fixup4",
    "kernel8.img": "the kernel",
    "initramfs8": "the initramfs",
    "bcm2710-rpi-3-b.dtb": "a device tree",
    "bcm2711-rpi-4-b.dtb": "another one",
    "overlays/README": "of overlays",
    "overlays/disable-bt.dtbo": "an overlay",
    "config.txt": CONFIG,
    "cmdline.txt": CMDLINE,
    "LICENCE.broadcom": "a licence",
}


def pi_image(folder: Path, *, links: dict[str, str] | None = None, leave_out: tuple[str, ...] = ()) -> Path:
    boot = folder / "pi/boot"
    for name, text in FILES.items():
        if name not in leave_out:
            (boot / name).parent.mkdir(parents=True, exist_ok=True)
            (boot / name).write_text(text)
    for name, target in (links or {}).items():
        (boot / name).symlink_to(target)
    return make_image(folder / "pi.squashfs", folder / "pi", compressor="zstd")


@pytest.mark.spawns
def test_disk(install: Run, tmp_path: Path) -> None:
    """No boot loader of ours; zstd, which GRUB would not read; the type that the firmware of model 3 wants."""
    image, disk = pi_image(tmp_path, links={"kernel.img": "kernel8.img"}), tmp_path / "d.img"
    status, _, err = install("--disk", disk, "--size", "300M", "--no-esp", "-y", image)
    assert status == 0 and "boot loader" not in err, err
    found = Fat(disk, MIB)
    boot = {name for name in found.names() if not name.startswith("system.") and name != "grubenv"}
    assert boot == {*FILES, "kernel.img", "kernel", "initramfs", "kernel-6.1", "initramfs-6.1"}
    assert found.read("kernel.img") == b"the kernel"
    assert found.read("overlays/disable-bt.dtbo") == b"an overlay"
    assert found.read("config.txt").decode() == CONFIG
    line = "console=serial0,115200 console=tty1 root=systemimg:auto fsck.repair=yes rootwait\n"
    assert found.read("cmdline.txt").decode() == line


@pytest.mark.spawns
def test_zip_and_cdrom(install: Run, tmp_path: Path) -> None:
    image = pi_image(tmp_path, leave_out=("cmdline.txt",))
    assert install("--zip", tmp_path / "x.zip", "-y", image)[0] == 0
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert {"bootcode.bin", "overlays/README", "system.img"} <= set(archive.namelist())
        assert archive.read("cmdline.txt") == b"root=systemimg:auto\n"
    status, _, err = install("--cdrom", tmp_path / "x.iso", "-y", image)
    assert status == 2 and "a Raspberry Pi does not boot from CDs" in err


@pytest.mark.spawns
@pytest.mark.parametrize("target", ["/usr/share/noise", "nowhere", "../../x"])
def test_a_link_that_leads_out_of_boot(install: Run, tmp_path: Path, target: str) -> None:
    image = pi_image(tmp_path, links={"kernel7.img": target})
    status, _, err = install("--disk", tmp_path / "d.img", "--size", "300M", "-y", image)
    assert status == 2 and f"/boot/kernel7.img leads nowhere in /boot ({target})" in err
    assert not (tmp_path / "d.img").exists()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "root=systemimg:auto"),
        ("quiet\n", "quiet root=systemimg:auto"),
        ("a root=/dev/x b\n", "a root=systemimg:auto b"),
        ("rootfstype=ext4 root=/dev/x\r\nb", "root=systemimg:auto b"),
        ("root=a rootwait root=b", "root=systemimg:auto rootwait"),
    ],
)
def test_command_line(text: str, line: str) -> None:
    assert raspberry_pi.command_line(text) == f"{line}\n"
