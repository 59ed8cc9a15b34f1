# SPDX-License-Identifier: MIT
"""Updates of a machine that boots from a disk by GRUB: an image that does not come up is given up for the one before.

The machine restarts by itself each time; nobody touches it between the update and the status.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness import squashfs
from harness.commands import run
from harness.disks import MIB, extent, partition
from harness.machine import BOOT_LIMIT, Machine, Timing
from harness.toy import wait_until

#: The initramfs says this at each boot that gets to the root.
ROOT = r"genpack: the root is"
#: A boot that takes longer is restarted; long enough for a busy machine without KVM.
HANG_LIMIT = 240
SET_TRIES = (
    "python3 -c 'from pathlib import Path; from genpack_install import grubenv\n"
    'from genpack_install.generations import Env; grubenv.write(Path("/run/initramfs/boot"), Env({}))\''
)


def panics(image: Path, folder: Path) -> Path:
    """A kernel without a root file system that it could mount."""
    tree = squashfs.extract(image, folder / "panics", "boot", ".genpack")
    (tree / "boot/initramfs").unlink()
    (tree / "boot/initramfs").write_text("none\n")
    unit = tree / "usr/lib/systemd/system/genpack-boot-complete.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Unit]\n")
    return pack(tree, folder / "panics.squashfs")


def hangs(image: Path, folder: Path) -> Path:
    """A unit that boot-complete.target waits for, and that never ends."""
    tree = squashfs.extract(image, folder / "hangs")
    unit = tree / "usr/lib/systemd/system/hang.service"
    unit.write_text(
        "[Unit]\nBefore=boot-complete.target\n[Service]\nType=oneshot\nTimeoutStartSec=infinity\n"
        "ExecStart=/usr/bin/sleep infinity\n"
    )
    wants = unit.parent / "boot-complete.target.requires"
    wants.mkdir(exist_ok=True)
    (wants / unit.name).symlink_to(f"../{unit.name}")
    return pack(tree, folder / "hangs.squashfs")


def init_fails(image: Path, folder: Path) -> Path:
    """PID 1 ends at once."""
    tree = squashfs.extract(image, folder / "init")
    program = tree / "usr/bin/genpack-init"
    program.unlink()
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    return pack(tree, folder / "init.squashfs")


def flipped(image: Path, folder: Path) -> Path:
    """The files of the system are damaged; kernel and initramfs, first in the image, are not."""
    tree = squashfs.extract(image, folder / "flipped")
    order = folder / "order"
    order.write_text("boot 32767\n")
    path = pack(tree, folder / "flipped.squashfs", "-sort", order)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(os.urandom(size // 3))
    return path


def pack(tree: Path, path: Path, *words: str | Path) -> Path:
    run("mksquashfs", tree, path, "-quiet", "-no-progress", "-comp", "gzip", *words, timeout=600).ok()
    run("rm", "-rf", tree).ok()
    return path


@dataclass
class Disk:
    """A disk that the image is installed on, with a second image as a file on its boot partition."""

    machine: Machine
    path: Path
    boots: int = 0

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.machine.out("genpack-install --status --json"))
        return found

    def running(self) -> str:
        return next(str(image["name"]) for image in self.status()["images"] if image["running"])

    def wait(self, boots: int) -> None:
        """Until so many boots have got to the root since the machine was started, and SSH answers."""
        wait_until(lambda: len(self.machine.console.lines(ROOT)) >= boots, f"boot {boots}", 3 * BOOT_LIMIT, 0.5)
        words = ("wait", self.machine.name, "--for", "ssh", "--timeout", str(BOOT_LIMIT))
        self.machine.vm(*words, timeout=BOOT_LIMIT + 30).ok()
        self.machine.ssh("systemctl is-system-running --wait", timeout=BOOT_LIMIT)

    def clean(self) -> None:
        """What a machine that was shut down in order leaves."""
        offset, _ = extent(self.path, 1)
        assert "boottime.txt" not in run("mdir", "-b", "-i", f"{self.path}@@{offset}", "::").ok().stdout
        for number, check in ((1, ("/sbin/fsck.fat", "-n")), (2, ("btrfs", "check", "--force"))):
            part = partition(self.path, number, self.path.with_name(f"part{number}"))
            run(*check, part).ok()
            part.unlink()


def make(
    image: Path, second: Path, folder: Path, cache: Path, key: Path, timing: Timing, name: str, ini: str = ""
) -> Disk:
    loaders, disk = folder / "loaders", folder / "disk.img"
    run("genpack-install", "build-bootloaders", "--output", loaders, "--targets", "x86_64-efi").ok()
    (folder / "system.ini").write_text(f"ssh_pubkey = {key.with_suffix('.pub').read_text()}swapfile = no\n{ini}")
    (folder / "system.cfg").write_text('set LINUX_ARGS="panic=1 net.ifnames=0"\n')
    size = (image.stat().st_size * 23 // 10 + second.stat().st_size * 2) // MIB + 400
    files = ("--system-ini", folder / "system.ini", "--system-cfg", folder / "system.cfg")
    words = ("--gpt", "--size", f"{size}M", "--bootloaders", loaders, *files, "-y", image)
    run("genpack-install", "--disk", disk, *words, timeout=300).ok()
    run("mcopy", "-i", f"{disk}@@{extent(disk, 1)[0]}", second, "::second.squashfs").ok()
    machine = Machine(
        name, disk, work=folder, keep=cache / "logs", key=key, timing=timing, options=("--uefi-disk",)
    )  # fmt: skip
    return Disk(machine, disk)


def test_an_image_whose_kernel_panics(
    systemimg_image: Path, cache: Path, ssh_key: Path, timing: Timing, tmp_path: Path
) -> None:
    """Four boots: the update, the panic, back by itself and the reason, and the old image as the current one again."""
    second = panics(systemimg_image, tmp_path)
    disk = make(systemimg_image, second, tmp_path, cache, ssh_key, timing, "rollback")
    with disk.machine as machine:
        machine.booted()
        assert disk.status()["state"] == "good" and disk.running() == "system.img"
        assert "is whole" in machine.out("genpack-install --verify", timeout=120)
        machine.out("genpack-install -y /run/initramfs/boot/second.squashfs", timeout=120)
        machine.out("rm /run/initramfs/boot/second.squashfs; " + SET_TRIES.format(1))
        assert disk.running() == "system.cur"
        machine.ssh("systemctl reboot")
        disk.wait(2)
        assert len(machine.console.lines("Kernel panic")) == 1
        status = disk.status()
        assert disk.running() == "system.old" and status["tries"] == 0
        assert status["state"].startswith("rolled back: the current image was started and never found good")
        told = "the current image was started and never found good: this is the previous one"
        assert told in machine.out("journalctl -b -o cat")
        assert machine.ssh("genpack-install --verify", timeout=120).status == 0
        machine.out("genpack-install --rollback -y")
        machine.ssh("systemctl reboot")
        disk.wait(3)
        assert disk.running() == "system.img" and disk.status()["state"] == "good"
        machine.power_off()
    disk.clean()


@pytest.mark.full
@pytest.mark.parametrize("spoil", [hangs, init_fails, flipped])
def test_other_failures(
    systemimg_image: Path, cache: Path, ssh_key: Path, timing: Timing, tmp_path: Path, spoil: Any
) -> None:
    """With one try each; all three ends are the same."""
    name = re.sub("[^a-z]", "", spoil.__name__)
    second = spoil(systemimg_image, tmp_path)
    ini = f"boot_timeout = {HANG_LIMIT}\n"
    disk = make(systemimg_image, second, tmp_path, cache, ssh_key, timing, f"rollback-{name}", ini)
    with disk.machine as machine:
        machine.booted()
        machine.out("genpack-install -y /run/initramfs/boot/second.squashfs", timeout=300)
        machine.out("rm /run/initramfs/boot/second.squashfs; " + SET_TRIES.format(1))
        machine.ssh("systemctl reboot")
        told = "the current image was started and never found good"
        wait_until(lambda: machine.console.lines(told), "the way back", 4 * BOOT_LIMIT, 0.5)
        disk.wait(len(machine.console.lines(ROOT)))
        assert disk.running() == "system.old"
        assert disk.status()["state"].startswith("rolled back")
        machine.power_off()
    disk.clean()


@pytest.mark.full
def test_a_good_update_is_marked_good_and_a_hard_stop_is_said(
    systemimg_image: Path, cache: Path, ssh_key: Path, timing: Timing, tmp_path: Path
) -> None:
    tree = squashfs.extract(systemimg_image, tmp_path / "tree")
    (tree / "etc/second").write_text("second\n")
    second = pack(tree, tmp_path / "second.squashfs")
    disk = make(systemimg_image, second, tmp_path, cache, ssh_key, timing, "update-good")
    with disk.machine as machine:
        machine.booted()
        machine.out("genpack-install -y /run/initramfs/boot/second.squashfs", timeout=300)
        machine.ssh("systemctl reboot")
        disk.wait(2)
        assert machine.out("cat /etc/second") == "second"
        status = disk.status()
        assert (status["state"], status["tries"], disk.running()) == ("good", None, "system.img")
        machine.ssh("echo b > /proc/sysrq-trigger", timeout=30)
        disk.wait(3)
        assert machine.console.lines("genpack: the last shutdown was not clean")
        machine.power_off()
    disk.clean()
