# SPDX-License-Identifier: MIT
"""The branches of the initramfs that test_initramfs.py leaves out, a boot each, for the long run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from harness.bed import QUICK, ROOT, RUN, TRANSIENT, UUID, Bed, data_of, failed, good, tree
from harness.commands import run
from harness.disks import MIB
from harness.virtiofs import virtiofs

pytestmark = pytest.mark.full
#: File system -> what makes one in a file.
MAKERS = {"ext4": ("mkfs.ext4", "-q"), "xfs": ("mkfs.xfs", "-q"), "vfat": ("mkfs.fat", "-F", "32")}


def made(bed: Bed, kind: str, name: str, *, mib: int = 64) -> Path:
    """A file system of a kind."""
    path = bed.blank(name, mib * MIB)
    run(*MAKERS[kind], path).ok()
    return path


def read_only(path: Path) -> tuple[str, ...]:
    """QEMU's options for a disk that can't be written."""
    drive = f"if=none,id=fixed,format=raw,readonly=on,file={path}"
    return ("-drive", drive, "-device", "virtio-blk-pci,drive=fixed")


# Root on virtiofs


@pytest.mark.parametrize("word", ["rw", "ro"])
def test_root_on_virtiofs(bed: Bed, word: str) -> None:
    """A folder of the host is the root, as it is: no image, no overlay."""
    folder = bed.tiny(f"virtiofs-{word}")
    with virtiofs(folder, bed.folder / f"{word}.sock") as qemu:
        boot = bed.boot(f"root-virtiofs-{word}", f"root=fs rootfstype=virtiofs {word}", qemu=qemu)
    assert boot.image == f"virtiofs-{word}" and boot.console.trouble() == [] and boot.loud == []
    source, kind, options = boot.mounts["/"]
    assert (source, kind, options.split(",")[0]) == ("fs", "virtiofs", word)
    assert boot.stats[f"{RUN}/shutdown"][0] == "755"
    assert (folder / "kept").exists() == (word == "rw")


def test_root_on_a_virtiofs_that_is_not_there_reboots(bed: Bed) -> None:
    boot = bed.boot("root-virtiofs-none", "root=none rootfstype=virtiofs")
    failed(boot, 'cannot mount the virtiofs tag none as root: tried "mount -t virtiofs -o ro none /sysroot"')


# Data of a direct boot


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_data_disk(bed: Bed, kind: str) -> None:
    """The second boot has what the first one wrote."""
    data = made(bed, kind, f"{kind}.data", mib=320)
    disks = ((bed.image("one"), None), (data, None))
    for kept in (False, True):
        boot = bed.boot(f"data-{kind}-{kept}", "root=/dev/vda", *disks)
        good(boot, "one")
        assert data_of(boot) == ("/dev/vdb", kind)
        assert (boot.kept, boot.loud) == (kept, [])


def test_btrfs_of_two_disks(bed: Bed) -> None:
    first, second = (bed.blank(f"two-{number}", 128 * MIB) for number in (1, 2))
    run("mkfs.btrfs", "-q", "-d", "raid1", "-m", "raid1", first, second).ok()
    disks = ((bed.image("one"), None), (first, "data"), (second, "more"))
    boot = bed.boot("data-two", "root=/dev/vda", *disks)
    good(boot, "one")
    assert data_of(boot)[1] == "btrfs"
    assert boot.loud == []


def test_disk_with_another_serial_is_not_data(bed: Bed) -> None:
    disks = ((bed.image("one"), None), (made(bed, "ext4", "docker"), "docker"))
    boot = bed.boot("data-other", "root=/dev/vda", *disks)
    good(boot, "one")
    assert data_of(boot)[1] == "tmpfs"
    assert boot.loud == []


def test_data_that_can_not_carry_an_overlay(bed: Bed) -> None:
    """FAT has no extended attributes: the kernel refuses it as an upper layer, and memory takes its place."""
    boot = bed.boot("data-fat", "root=/dev/vda", (bed.image("one"), None), (made(bed, "vfat", "fat.data"), None))
    good(boot, "one")
    assert data_of(boot)[1] == "tmpfs"
    assert boot.loud[0].startswith('/dev/vdb can\'t be the writable layer: tried "mount -t overlay ')
    assert "overlayfs: " in boot.loud[0].split("the kernel said: ")[1]
    assert boot.loud[1] == TRANSIENT


def test_no_disk_with_the_image_reboots(bed: Bed) -> None:
    boot = bed.boot("no-disk", f"root=/dev/vdx {QUICK}", (bed.image("one"), None))
    failed(boot, "the disk /dev/vdx does not exist, and no disk has the serial system")


def test_image_without_a_shutdown_program(bed: Bed) -> None:
    boot = bed.boot("no-shutdown", "root=/dev/vda", (bed.image("bare", shutdown=False), None))
    assert boot.image == "bare"
    assert boot.loud == [
        "the image has no /usr/libexec/genpack-shutdown: file systems stay mounted at power-off"
    ]


# Boot partition


def test_boot_partition_that_can_not_be_written(bed: Bed) -> None:
    """Booted from all the same; the data has the label data-UUID."""
    fat = bed.fat("fixed", UUID, {"system.img": bed.image("one")})
    data = bed.btrfs("fixed-data", f"data-{UUID}")
    boot = bed.boot("fat-read-only", ROOT, (data, None), qemu=read_only(fat))
    good(boot, "one")
    assert data_of(boot) == ("/dev/vda", "btrfs")
    assert boot.mounts[f"{RUN}/boot"][:2] == ("/dev/vdb", "vfat")
    assert boot.mounts[f"{RUN}/boot"][2].startswith("ro,") and "fmask=0177,dmask=0077" in boot.mounts[f"{RUN}/boot"][2]
    assert len(boot.loud) == 1
    assert boot.loud[0].startswith('cannot write on the boot partition /dev/vdb: tried "mount -w -t vfat ')


def test_auto_with_a_full_fat_and_the_image_under_its_other_name(bed: Bed) -> None:
    """An update was cut between two renames; there is no room for boottime.txt; the next partition is the data."""
    fat = bed.fat("full", UUID, {"system.cur": bed.image("one")}, mib=36)
    free = run("mdir", "-i", fat, "::/").ok().stdout.splitlines()[-2]
    filler = bed.blank("filler", int("".join(filter(str.isdigit, free))))
    run("mcopy", "-i", fat, filler, "::filler").ok()
    disk = bed.disk("full-disk", fat, bed.btrfs("full-data", "any"))
    boot = bed.boot("fat-full", "root=systemimg:auto", (disk, None))
    good(boot, "one")
    assert boot.loud == ["cannot write boottime.txt on /dev/vda1"]
    assert data_of(boot) == ("/dev/vda2", "btrfs")


def test_boot_partition_of_another_kind(bed: Bed) -> None:
    """ext4, by its UUID: it is mounted read-only, and no boottime.txt is written."""
    uuid = "0a1b2c3d-1111-2222-3333-444455556666"
    folder = tree(bed.folder / "ext4.tree", "")
    shutil.copy(bed.image("one"), folder / "system.img")
    path = bed.blank("ext4.boot", 32 * MIB)
    run("mkfs.ext4", "-q", "-U", uuid, "-d", folder, path).ok()
    boot = bed.boot("boot-ext4", f"root=systemimg:{uuid}", (path, None))
    good(boot, "one")
    assert boot.mounts[f"{RUN}/boot"][:2] == ("/dev/vda", "ext4")
    assert boot.mounts[f"{RUN}/boot"][2].startswith("ro")
    assert boot.loud == [] and not [path for path in boot.stats if path.endswith("boottime.txt")]


def test_boot_partition_that_is_no_file_system_reboots(bed: Bed) -> None:
    uuid = "0a1b2c3d-1111-2222-3333-444455556666"
    path = bed.blank("swap", 16 * MIB)
    run("mkswap", "-U", uuid, path).ok()
    boot = bed.boot("boot-swap", f"root=systemimg:{uuid}", (path, None))
    failed(boot, 'cannot mount the boot partition /dev/vda: tried "mount -o ro /dev/vda ')


def test_fat_that_can_not_be_mounted_reboots(bed: Bed) -> None:
    """The root folder of this FAT16 has a size that neither fsck.fat nor the kernel takes."""
    path = bed.blank("odd", 16 * MIB)
    run("mkfs.fat", "-F", "16", "-i", UUID.replace("-", ""), path).ok()
    with path.open("r+b") as file:
        file.seek(17)
        file.write((513).to_bytes(2, "little"))
    boot = bed.boot("fat-odd", ROOT, (path, None))
    failed(boot, 'cannot mount the boot partition /dev/vda: tried "mount -t vfat -o ro,')


@pytest.mark.parametrize(("root", "count", "text"), [
    ("FFFF-FFFF", 2, "no file system has UUID FFFF-FFFF, and several hold system.img: /dev/vda /dev/vdb"),
    ("auto", 0, "no FAT or ISO 9660 file system holds system.img, which systemimg:auto asks for"),
])  # fmt: skip
def test_no_boot_partition_to_choose_reboots(bed: Bed, root: str, count: int, text: str) -> None:
    """Several where one was asked for by its UUID; none; a FAT without an image counts for nothing."""
    fats = [bed.fat(f"{root}-{n}", f"0000-000{n}", {"system.img": bed.image("one")}) for n in range(count)]
    fats.append(bed.fat(f"{root}-empty", "0000-000F", {"readme": "nothing"}))
    failed(bed.boot(f"choose-{root}", f"root=systemimg:{root} {QUICK}", *((fat, None) for fat in fats)), text)


# Image


@pytest.mark.parametrize(("words", "image"), [("", "other"), ("genpack.image=third", "one")])
def test_image_on_the_data_partition(bed: Bed, words: str, image: str) -> None:
    """rw/system, or the one that the boot loader names; the partition is the writable layer as well."""
    name = image if not words else f"{image}-named"
    fat = bed.fat(f"{name}.boot", UUID, {"grub.cfg": "x"})
    folder = tree(bed.folder / f"{name}.folder", "root")
    shutil.copy(bed.image("other"), folder / "system")
    shutil.copy(bed.image("one"), folder / "third")
    disk = bed.disk(f"{name}.disk", fat, bed.btrfs(f"{name}.data", "any", folder))
    boot = bed.boot(f"image-on-data-{name}", f"{ROOT} {words}".strip(), (disk, None))
    good(boot, image)
    assert data_of(boot) == ("/dev/vda2", "btrfs")
    assert boot.loud == []


def test_transient_with_the_image_on_the_boot_partition(bed: Bed) -> None:
    """The data partition is looked at for an image, and let go."""
    fat = bed.fat("let-go.boot", UUID, {"system.img": bed.image("one")})
    disk = bed.disk("let-go", fat, bed.btrfs("let-go.data", "any"))
    boot = bed.boot("transient-boot", f"{ROOT} genpack.transient=1", (disk, None))
    good(boot, "one")
    assert data_of(boot)[1] == "tmpfs"
    assert f"{RUN}/data" not in boot.mounts and boot.loud == []


def test_no_image_reboots(bed: Bed) -> None:
    boot = bed.boot("no-image-file", ROOT, (bed.fat("no-image.boot", UUID, {"grub.cfg": "x"}), None))
    failed(boot, "no image: looked for system.img, system.cur, system.old on /dev/vda and on no data partition")


def test_image_on_data_that_can_not_carry_an_overlay_reboots(bed: Bed) -> None:
    data = bed.fat("fat-image.data", "2222-2222", {"system": bed.image("one")})
    disk = bed.disk("fat-image", bed.fat("fat-image.boot", UUID, {"grub.cfg": "x"}), data)
    boot = bed.boot("image-on-fat", ROOT, (disk, None))
    failed(boot, "cannot mount the root as an overlay on /dev/vda2, which holds the image too: tried ")


# The flag transient of sys-kernel/dracut-genpack


@pytest.mark.parametrize(("words", "kind"), [("", "tmpfs"), ("genpack.transient=0", "btrfs")])
def test_initramfs_made_transient(bed: Bed, words: str, kind: str) -> None:
    """The file that the flag adds, in an archive behind the initramfs; the command line has the last word."""
    folder = bed.folder / "transient.tree"
    (folder / "etc/cmdline.d").mkdir(parents=True, exist_ok=True)
    (folder / "etc/cmdline.d/21-genpack-transient.conf").write_text("genpack.transient=1\n")
    names = b"etc\0etc/cmdline.d\0etc/cmdline.d/21-genpack-transient.conf\0"
    argv = ["cpio", "--quiet", "-0", "-o", "-H", "newc", "-R", "0:0"]
    more = subprocess.run(argv, cwd=folder, input=names, capture_output=True, check=True).stdout
    longer = bed.folder / f"transient-{kind}.initramfs"
    before = bed.initramfs.read_bytes()
    longer.write_bytes(before + bytes(-len(before) % 512) + more)
    initramfs, bed.initramfs = bed.initramfs, longer
    try:
        disks = ((bed.image("one"), None), (bed.btrfs(f"transient-{kind}.data", "any"), None))
        boot = bed.boot(f"transient-{kind}", f"root=/dev/vda {words}".strip(), *disks)
    finally:
        bed.initramfs = initramfs
    good(boot, "one")
    assert data_of(boot)[1] == kind
