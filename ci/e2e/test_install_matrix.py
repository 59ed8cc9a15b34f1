# SPDX-License-Identifier: MIT
"""The long form: every medium by every firmware that starts it, the menu's entries, an image on the data partition."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.bed import Bed
from harness.commands import Argument, run
from harness.disks import partition
from harness.installing import boot, tiny_image
from harness.machine import Machine, Timing

pytestmark = pytest.mark.full
RUN = "/run/initramfs"
INI = "hostname = tulip\ntimezone = Asia/Tokyo\nssh_pubkey = {key}\n"
QUIET = 'set LINUX_ARGS="console=ttyS0 quiet panic=1"\n'
#: More than FAT holds.
LARGE = (4 << 30) + (64 << 20)

#: Name -> (what genpack-install is told, how vm starts it, the boot partition's file system, the data layer's).
MEDIA: dict[str, tuple[tuple[str, ...], str, str, str]] = {
    "mbr-uefi": (("--disk", "mbr.img", "--size", "900M"), "--uefi-disk", "vfat", "btrfs"),
    "gpt-uefi": (("--disk", "gpt.img", "--size", "900M", "--gpt"), "--uefi-disk", "vfat", "btrfs"),
    "superfloppy-uefi": (("--disk", "super.img", "--superfloppy"), "--uefi-disk", "vfat", "tmpfs"),
    "iso-bios": (("--cdrom", "bios.iso"), "--bios", "iso9660", "tmpfs"),
    "iso-uefi": (("--cdrom", "uefi.iso"), "--uefi-disk", "iso9660", "tmpfs"),
    "hybrid-bios": (("--cdrom", "hybrid-bios.img"), "--bios", "iso9660", "tmpfs"),
    "hybrid-uefi": (("--cdrom", "hybrid-uefi.img"), "--uefi-disk", "iso9660", "tmpfs"),
    "zip-uefi": (("--zip", "stick.zip"), "--uefi-disk", "vfat", "tmpfs"),
}


@pytest.fixture(scope="module")
def loaders(bed: Bed) -> Path:
    run("genpack-install", "build-bootloaders", "--output", bed.folder / "loaders").ok()
    return bed.folder / "loaders"


Install = Callable[..., None]


@pytest.fixture(scope="module")
def install(loaders: Path) -> Install:
    def call(*words: Argument) -> None:
        run("genpack-install", *words, "--bootloaders", loaders, "-y", timeout=600).ok()

    return call


def stick(path: Path, folder: Path) -> Path:
    """A ZIP unpacked on a FAT32 memory stick, as a person does it on a PC."""
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder / "unpacked")
    size = path.stat().st_size + (64 << 20)
    disk = folder / "stick.img"
    with disk.open("wb") as file:
        file.truncate(size // 512 * 512)
    run("mkfs.fat", "-F", "32", "-n", "STICK", disk).ok()
    run("mcopy", "-s", "-i", disk, *(folder / "unpacked").iterdir(), "::/").ok()
    shutil.rmtree(folder / "unpacked")
    return disk


@pytest.mark.parametrize("medium", MEDIA)
def test_a_real_image(
    medium: str,
    install: Install,
    systemimg_image: Path,
    ssh_key: Path,
    bed: Bed,
    cache: Path,
    timing: Timing,
    tmp_path: Path,
) -> None:
    """To multi-user, its system.ini applied, and powered off with clean file systems."""
    words, firmware, boot_kind, data_kind = MEDIA[medium]
    ini, made = tmp_path / "system.ini", tmp_path / words[1]
    ini.write_text(INI.format(key=ssh_key.with_suffix(".pub").read_text().strip()))
    install(words[0], made, *words[2:], "--system-ini", ini, systemimg_image)
    disk = stick(made, tmp_path) if made.suffix == ".zip" else made
    options = (firmware,)
    machine = Machine(
        f"e2e-{medium}", disk, work=tmp_path, keep=cache / "logs", key=ssh_key, options=options, timing=timing
    )
    with machine:
        machine.booted()
        mounts = {fields[1]: fields for fields in map(str.split, machine.out("cat /proc/mounts").splitlines())}
        assert (mounts[f"{RUN}/boot"][2], mounts[f"{RUN}/rw"][2]) == (boot_kind, data_kind)
        assert machine.out("cat /proc/sys/kernel/hostname; date +%Z").split() == ["tulip", "JST"]
        assert json.loads(machine.out("cat /run/genpack-init.json"))["failed"] == 0
        machine.power_off()
    assert machine.console.trouble() == []
    if boot_kind == "vfat":
        fat = partition(disk, 1, tmp_path / "fat") if data_kind == "btrfs" else disk
        run("fsck.fat", "-n", fat).ok()
        assert "boottime.txt" not in run("mdir", "-b", "-i", fat, "::/").ok().stdout
    if data_kind == "btrfs":
        run("btrfs", "check", partition(disk, 2, tmp_path / "btrfs"), timeout=300).ok()


@pytest.fixture(scope="module")
def disk_with(install: Install, bed: Bed) -> Callable[..., Path]:
    """An MBR disk with a tiny image and this system.cfg."""
    tiny = tiny_image(bed, "tiny", bed.folder)

    def make(name: str, cfg: str, image: Path = tiny) -> Path:
        path, text = bed.folder / f"{name}.img", bed.folder / f"{name}.cfg"
        text.write_text(cfg)
        size = "6G" if image.stat().st_size > LARGE // 2 else "500M"
        install("--disk", path, "--size", size, "--system-cfg", text, image)
        return path

    return make


@pytest.mark.parametrize("firmware", ["--bios", "--uefi-disk"])
def test_transient_entry(disk_with: Callable[..., Path], bed: Bed, timing: Timing, firmware: str) -> None:
    disk = disk_with(f"transient{firmware}", QUIET + "set default=transient\n")
    found = boot(f"transient{firmware}", disk, bed, timing, firmware)
    assert found.image == "tiny" and found.mounts[f"{RUN}/rw"][1] == "tmpfs"
    assert found.mounts[f"{RUN}/boot"][1] == "vfat"


def test_previous_entry(disk_with: Callable[..., Path], bed: Bed, timing: Timing) -> None:
    """Its image is the one of the entry, not the current one."""
    disk = disk_with("previous", QUIET + "set default=previous\n")
    run("mcopy", "-o", "-i", f"{disk}@@{1 << 20}", tiny_image(bed, "older", bed.folder), "::system.old").ok()
    found = boot("previous", disk, bed, timing, "--bios")
    assert found.image == "older" and found.mounts[f"{RUN}/rw"][1] == "btrfs"


@pytest.mark.parametrize("entry", ["normal", "transient"])
def test_an_image_on_the_data_partition(disk_with: Callable[..., Path], bed: Bed, timing: Timing, entry: str) -> None:
    """Of more than 4 GiB: zeros behind its end, which no one reads but everyone must copy."""
    image = tiny_image(bed, f"large-{entry}", bed.folder)
    os.truncate(image, LARGE)
    disk = disk_with(f"large-{entry}", QUIET + f"set default={entry}\n", image)
    try:
        found = boot(f"large-{entry}", disk, bed, timing, "--bios")
    finally:
        disk.unlink()
    assert found.image == f"large-{entry}"
    assert found.mounts[f"{RUN}/rw"][1] == ("btrfs" if entry == "normal" else "tmpfs")
    if entry == "transient":
        assert found.mounts[f"{RUN}/data"][1] == "btrfs" and found.mounts[f"{RUN}/data"][2].startswith("ro")
