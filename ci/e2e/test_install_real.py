# SPDX-License-Identifier: MIT
"""genpack-install: a real image on an MBR disk, made by a user without rights, is started by BIOS."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.bed import Bed
from harness.commands import run
from harness.disks import partition
from harness.installing import Nobody
from harness.machine import Machine, Timing

RUN = "/run/initramfs"
INI = """\
hostname = tulip
timezone = Asia/Tokyo
ssh_pubkey = {key}
"""
CFG = 'set LINUX_ARGS="genpack.test=by-system.cfg"\n'


@pytest.fixture(scope="module")
def real(systemimg_image: Path, nobody: Nobody) -> Path:
    """Where nobody can read it."""
    return Path(shutil.copy(systemimg_image, nobody.folder / "real.squashfs"))


@pytest.fixture(scope="module")
def disk(nobody: Nobody, loaders: Path, real: Path, ssh_key: Path) -> Path:
    """A real image on an MBR disk."""
    ini, cfg, made = nobody.folder / "real.ini", nobody.folder / "real.cfg", nobody.out / "mbr.img"
    ini.write_text(INI.format(key=ssh_key.with_suffix(".pub").read_text().strip()))
    cfg.write_text(CFG)
    options = ("--size", "900M", "--system-ini", ini, "--system-cfg", cfg, "--bootloaders", loaders, "-y")
    nobody.install("--disk", made, *options, real)
    return made


@pytest.fixture(scope="module")
def machine(
    disk: Path, ssh_key: Path, cache: Path, timing: Timing, watched: list[Machine], bed: Bed
) -> Iterator[Machine]:
    machine = Machine(
        "e2e-mbr-bios", disk, work=bed.folder, keep=cache / "logs", key=ssh_key, options=("--bios",), timing=timing
    )
    watched.append(machine)
    with machine:
        machine.booted()
        yield machine


def test_grub_starts_a_real_image_by_bios(machine: Machine) -> None:
    words = machine.out("cat /proc/cmdline").split()
    assert "genpack.test=by-system.cfg" in words and "genpack.image=system.img" in words
    (root,) = [word for word in words if word.startswith("root=systemimg:")]
    mounts = {fields[1]: fields for fields in map(str.split, machine.out("cat /proc/mounts").splitlines())}
    device = mounts[f"{RUN}/boot"][0]
    assert mounts[f"{RUN}/boot"][2] == "vfat" and mounts[f"{RUN}/rw"][2] == "btrfs"
    assert machine.out(f"blkid -o value -s UUID {device}") == root.removeprefix("root=systemimg:")
    assert machine.out(f"blkid -o value -s LABEL {mounts[f'{RUN}/rw'][0]}") == root.replace("root=systemimg:", "data-")
    assert "upperdir=/run/initramfs/rw/root" in mounts["/"][3]


def test_its_system_ini_is_applied(machine: Machine) -> None:
    assert machine.out("cat /proc/sys/kernel/hostname") == "tulip"
    assert machine.out("date +%Z") == "JST"
    assert json.loads(machine.out("cat /run/genpack-init.json"))["failed"] == 0


def test_power_off_leaves_clean_file_systems(machine: Machine, disk: Path, bed: Bed) -> None:
    assert machine.out(f"stat -c %a {RUN}/boot/boottime.txt") == "600"
    machine.power_off()
    assert machine.console.trouble() == []
    fat = partition(disk, 1, bed.folder / "mbr-1")
    assert "boottime.txt" not in run("mdir", "-b", "-i", fat, "::/").ok().stdout
    run("fsck.fat", "-n", fat).ok()
    run("btrfs", "check", partition(disk, 2, bed.folder / "mbr-2"), timeout=300).ok()
