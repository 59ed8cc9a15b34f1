# SPDX-License-Identifier: MIT
"""A systemimg image boots from a disk of its own: MBR, FAT with system.img and system.ini, Btrfs for what is kept.

The disk is made with mtools. vm starts kernel and initramfs, with the command line of a boot loader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import squashfs
from harness.commands import run
from harness.disks import MIB, Disks, partition
from harness.images import check_metadata, check_nobody_elses
from harness.machine import Machine, Timing

UUID = "5A5A-C3C3"
INI = """\
hostname = lily
timezone = Asia/Tokyo
keymap = de
ssh_pubkey = {key}
"""
RUN = "/run/initramfs"


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Disks:
    return Disks(tmp_path_factory.mktemp("disk"))


@pytest.fixture(scope="module")
def disk(disks: Disks, systemimg_image: Path, ssh_key: Path) -> Path:
    ini = INI.format(key=ssh_key.with_suffix(".pub").read_text().strip())
    room = systemimg_image.stat().st_size // MIB + 16
    boot = disks.fat("boot", UUID, {"system.img": systemimg_image, "system.ini": ini}, mib=room)
    return disks.disk("disk", boot, disks.btrfs("data", "any", mib=256))


@pytest.fixture(scope="module")
def machine(
    systemimg_image: Path, disk: Path, ssh_key: Path, cache: Path, timing: Timing, watched: list[Machine]
) -> Iterator[Machine]:
    """Ready for use; a NVMe disk, whose partitions have other names than those of virtio disks."""
    machine = Machine(
        "e2e-disk",
        systemimg_image,
        work=disk.parent,
        keep=cache / "logs",
        key=ssh_key,
        options=("--append", f"root=systemimg:{UUID}"),
        qemu=("-drive", f"if=none,id=own,format=raw,file={disk}", "-device", "nvme,drive=own,serial=own"),
        timing=timing,
    )
    watched.append(machine)
    with machine:
        machine.booted()
        yield machine


def test_image(systemimg_image: Path) -> None:
    names = check_metadata(systemimg_image, "disk", "systemimg")
    assert len([n for n in names if n.startswith(("genpack/systemimg-", "sys-apps/kbd-"))]) == 2
    assert not [n for n in names if n.startswith(("genpack/paravirt-", "app-emulation/qemu-guest-agent-"))]
    check_nobody_elses(squashfs.listing(systemimg_image))


def test_root_is_the_image_on_the_boot_partition_with_the_layer_of_the_data_partition(machine: Machine) -> None:
    mounts = {
        fields[1]: fields for fields in map(str.split, machine.out("cat /proc/mounts").splitlines()) if len(fields) > 3
    }
    assert mounts[f"{RUN}/boot"][0::2][:2] == ["/dev/nvme0n1p1", "vfat"]
    assert {"rw", "fmask=0177", "dmask=0077"} <= set(mounts[f"{RUN}/boot"][3].split(","))
    assert mounts[f"{RUN}/rw"][0::2][:2] == ["/dev/nvme0n1p2", "btrfs"]
    device = mounts[f"{RUN}/ro"][0]
    assert device.startswith("/dev/loop") and mounts[f"{RUN}/ro"][2] == "squashfs"
    assert machine.out(f"cat /sys/block/{Path(device).name}/loop/backing_file").endswith("/system.img")
    assert mounts["/"][2] == "overlay" and f"upperdir={RUN}/rw/root" in mounts["/"][3]


def test_system_ini_of_the_boot_partition_is_applied(machine: Machine) -> None:
    assert machine.out("cat /proc/sys/kernel/hostname; cat /etc/hostname").split() == ["lily", "lily"]
    assert machine.out("date +%Z") == "JST"
    assert machine.out("cat /etc/vconsole.conf") == "KEYMAP=de"
    assert machine.out("systemctl show -p Result --value systemd-vconsole-setup") == "success"
    assert json.loads(machine.out("cat /run/genpack-init.json"))["failed"] == 0


def test_login_prompt_is_on_the_screen(machine: Machine) -> None:
    assert machine.out("systemctl is-active getty@tty1") == "active"


def test_power_off_leaves_clean_file_systems(machine: Machine, disks: Disks, disk: Path) -> None:
    """And boottime.txt, which was there while the machine ran, tells of no unclean shutdown."""
    modes = dict(line.split()[::-1] for line in machine.out(f"cd {RUN}/boot; stat -c '%a %n' *").splitlines())
    assert {"boottime.txt", "system.img", "system.ini"} <= set(modes) and set(modes.values()) == {"600"}
    machine.out("echo kept > /root/file")
    machine.power_off()
    assert machine.console.trouble() == []
    boot = partition(disk, 1, disks.folder / "boot-after")
    data = partition(disk, 2, disks.folder / "data-after")
    run("fsck.fat", "-n", boot).ok()
    left = run("mdir", "-b", "-i", boot, "::/").ok().stdout.split()
    assert sorted(left) == sorted(f"::/{name}" for name in modes if name != "boottime.txt")
    checked = run("btrfs", "check", data).ok()
    assert "no error found" in checked.output
    out = disks.folder / "kept"
    out.mkdir()
    run("btrfs", "restore", "--path-regex", "^/(|root(|/root(|/file)))$", data, out).ok()
    assert (out / "root/root/file").read_text() == "kept\n"
    assert re.search(r"genpack-shutdown: all unmounted: poweroff", machine.console.text())
