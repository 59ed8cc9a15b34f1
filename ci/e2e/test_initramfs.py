# SPDX-License-Identifier: MIT
"""The initramfs of a real image, with tiny images and disks: every way to find boot partition, data and image.

A scenario is one boot with many checks; which branch a check is about stands in the test's name or beside it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from harness.bed import QUICK, ROOT, RUN, TRANSIENT, USR_TIME, UUID, Bed, data_of, failed, good, tree
from harness.commands import run
from harness.disks import MIB
from harness.virtiofs import virtiofs


def test_direct_boot_with_serials(bed: Bed, tmp_path: Path) -> None:
    """Disks in any order by their serials; a Btrfs data disk keeps the root; /usr has the image's time."""
    data = bed.btrfs("serials.data", "any", tree(tmp_path / "tree", "root/usr", "root/etc"))
    disks = ((data, "data"), (bed.image("decoy"), None), (bed.image("one"), "system"))
    first = bed.boot("direct-serials", "root=/dev/vda", *disks)
    good(first, "one")
    assert data_of(first) == ("/dev/vda", "btrfs")
    assert first.stats[f"{RUN}/rw/root/usr"][2] == USR_TIME
    assert not first.kept and first.loud == []


def test_direct_boot_without_serials_and_with_a_dummy(bed: Bed) -> None:
    """/dev/vda and /dev/vdb by their names; a dummy of 4 KiB is no disk, and nothing is said of it."""
    boot = bed.boot("direct-dummy", "root=/dev/vda", (bed.image("one"), None), (bed.blank("dummy", 4096), None))
    good(boot, "one")
    assert data_of(boot) == ("tmpfs", "tmpfs")
    assert boot.loud == []


def test_direct_boot_with_data_on_virtiofs(bed: Bed) -> None:
    """A folder of the host keeps what is changed: overlayfs and FUSE take each other, whiteouts and all."""
    folder = tree(bed.folder / "share", "root/usr")
    with virtiofs(folder, bed.folder / "share.sock") as qemu:
        boot = bed.boot("direct-virtiofs", "root=/dev/vda", (bed.image("one"), None), qemu=qemu)
    good(boot, "one")
    assert data_of(boot) == ("fs", "virtiofs")
    assert boot.stats[f"{RUN}/rw/root/usr"][2] == USR_TIME
    assert boot.loud == []
    assert (folder / "root/kept").read_text() == "by the boot before\n"


def test_direct_boot_with_an_empty_data_disk(bed: Bed) -> None:
    boot = bed.boot("direct-empty", "root=/dev/vda", (bed.image("one"), None), (bed.blank("empty", 64 * MIB), None))
    good(boot, "one")
    assert data_of(boot)[1] == "tmpfs"
    assert boot.loud == [
        "the data disk /dev/vdb (64 MiB) holds no file system that is known: make one, such as mkfs.btrfs /dev/vdb",
        TRANSIENT,
    ]


def test_direct_boot_with_a_broken_data_disk(bed: Bed) -> None:
    """What was tried, what mount said and what the kernel said; the boot goes on in memory."""
    data = bed.btrfs("broken", "any")
    with data.open("r+b") as file:  # the superblock is whole, the tree of chunks that it points to is not
        content = file.read()
        file.seek(0)
        file.write(content[: 65536 + 4096] + bytes(len(content) - 65536 - 4096))
    boot = bed.boot("direct-broken", "root=/dev/vda", (bed.image("one"), None), (data, "data"))
    good(boot, "one")
    assert data_of(boot)[1] == "tmpfs"
    line = boot.loud[0]
    assert line.startswith('cannot mount the data disk /dev/vdb (btrfs): tried "mount -w -t btrfs /dev/vdb ')
    assert "; the kernel said: " in line and "BTRFS" in line.split("the kernel said: ")[1]
    assert boot.loud[1:] == [TRANSIENT]


@pytest.fixture(scope="module")
def interrupted(bed: Bed) -> tuple[Path, Path]:
    """A boot partition in the middle of an update, and a data disk of an old installation, found by its label."""
    fat = bed.fat(
        "interrupted",
        UUID,
        {
            "system.img": bed.image("current"),
            "system.cur": bed.image("previous"),
            "system.ini": "secret = x\n",
            "long": "x" * 9000,
            "longer": "x" * 9000,
        },
    )
    content = bytearray(fat.read_bytes())
    for name, other in ((b"SYSTEM  IMG", b"SYSTEM  CUR"), (b"LONG       ", b"LONGER     ")):
        at, to = content.index(name), content.index(other)
        content[to + 20 : to + 32] = content[at + 20 : at + 32]
    fat.write_bytes(content)
    data = bed.btrfs("old", f"d-{UUID}", tree(bed.folder / "old.tree", "rw/root", "rw/work", "root"))
    return fat, data


OLD = f"upperdir={RUN}/rw/rw/root,workdir={RUN}/rw/rw/work"


def test_systemimg_by_uuid_after_a_cut_update(bed: Bed, interrupted: tuple[Path, Path]) -> None:
    """Two names of one image, crossed files, label d-UUID, the old layout, modes and boottime.txt on FAT."""
    boot = bed.boot("uuid-cut", ROOT, *((path, None) for path in interrupted))
    good(boot, "current", OLD)
    assert data_of(boot) == ("/dev/vdb", "btrfs")
    dropped = "an update was cut off: SYSTEM.CUR on /dev/vda was another name of the same image and is dropped"
    assert boot.loud == [dropped]
    device, kind, options = boot.mounts[f"{RUN}/boot"]
    assert (device, kind, options.split(",")[0]) == ("/dev/vda", "vfat", "rw")
    modes = {path.removeprefix(f"{RUN}/boot/"): mode for path, (mode, _, _) in boot.stats.items() if "/boot" in path}
    assert modes["."] == "700"
    assert modes["system.ini"] == modes["boottime.txt"] == "600"
    assert "system.cur" not in modes
    assert boot.stats[f"{RUN}/boot/system.img"][1] == bed.image("current").stat().st_size


def test_second_boot_keeps_and_tells_of_the_shutdown(bed: Bed, interrupted: tuple[Path, Path]) -> None:
    """The tiny system removes no boottime.txt: as after a power cut. genpack.image= names another image."""
    run("mcopy", "-i", interrupted[0], bed.image("other"), "::system.old").ok()
    boot = bed.boot("uuid-again", f"{ROOT} genpack.image=system.old", *((path, None) for path in interrupted))
    good(boot, "other", OLD)
    assert boot.kept
    assert boot.loud == ["the last shutdown was not clean"]


def test_systemimg_auto_with_two_candidates_transient(bed: Bed) -> None:
    """The first is taken, with a warning; the partition after it is the data partition, here only for the image."""
    kept = tree(bed.folder / "image.tree", "root")
    (kept / "root" / "kept").write_text("by the boot before\n")
    shutil.copy(bed.image("big"), kept / "system")
    boot_partition = bed.fat("auto-1", UUID, {"system.img": ""})
    disk = bed.disk("auto", boot_partition, bed.btrfs("auto-2", "other", kept))
    second = bed.disk("auto-second", bed.fat("auto-3", "2222-2222", {"system.img": bed.image("one")}))
    boot = bed.boot("auto-transient", "root=systemimg:auto genpack.transient", (disk, None), (second, None))
    good(boot, "big")
    assert "several file systems hold system.img, taking the first of: /dev/vda1 /dev/vdb1" in boot.loud
    assert [line for line in boot.loud if line.startswith("cannot open the image boot/system.img: tried")]
    assert data_of(boot)[1] == "tmpfs"
    assert boot.mounts[f"{RUN}/data"][:2] == ("/dev/vda2", "btrfs")
    assert boot.mounts[f"{RUN}/data"][2].startswith("ro,")
    assert not boot.kept


def test_unknown_uuid_falls_back_to_the_one_fat(bed: Bed) -> None:
    """After rd.timeout; the image that does not open is passed over; wbdata-UUID of the partition that was found."""
    boot_partition = bed.fat("fallback", UUID, {"system.img": "no image", "system.old": bed.image("one")})
    data = bed.btrfs("fallback-data", f"wbdata-{UUID}")
    boot = bed.boot("fallback", f"root=systemimg:FFFF-FFFF {QUICK}", (data, None), (boot_partition, None))
    good(boot, "one")
    assert boot.loud[0] == "no file system has UUID FFFF-FFFF: booting from /dev/vdb, which holds system.img"
    assert boot.loud[1].startswith('cannot open the image boot/system.img: tried "mount -t squashfs -o ro,loop ')
    assert data_of(boot) == ("/dev/vda", "btrfs")


def test_no_boot_partition_reboots(bed: Bed) -> None:
    boot = bed.boot("nothing", f"root=systemimg:FFFF-FFFF {QUICK}", (bed.btrfs("no-boot", "x"), None))
    failed(boot, "no file system has UUID FFFF-FFFF, and no FAT file system holds system.img")


def test_iso_9660(bed: Bed) -> None:
    """A read-only boot medium without a partition after it."""
    shutil.copy(bed.image("one"), tree(bed.folder / "iso", "") / "system.img")
    iso = bed.folder / "cd.iso"
    run("xorriso", "-as", "mkisofs", "-quiet", "-R", "-J", "-V", "GENPACK", "-o", iso, bed.folder / "iso").ok()
    boot = bed.boot("iso", "root=systemimg:auto", (iso, None))
    good(boot, "one")
    assert boot.mounts[f"{RUN}/boot"][:2] == ("/dev/vda", "iso9660")
    assert data_of(boot)[1] == "tmpfs"
    assert boot.loud == []


def test_an_image_that_is_none_reboots(bed: Bed) -> None:
    """The disk, what was tried, and what the kernel said."""
    boot = bed.boot("no-image", "root=/dev/vda", (bed.blank("no-image", MIB), None))
    tried = 'cannot mount the image on the disk /dev/vda: tried "mount -t squashfs -o ro /dev/vda '
    failed(boot, tried, "Can't find a SQUASHFS superblock")
