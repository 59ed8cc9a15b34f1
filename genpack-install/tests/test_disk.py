# SPDX-License-Identifier: MIT
"""Disk files, really made: tables, file systems, content, ids, what a broken off run leaves."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
from conftest import Run, make_image
from fatfs import Fat
from genpack_install import biosdisk, fat, fatfile
from genpack_install.log import Log

pytestmark = pytest.mark.spawns
MIB = 1 << 20
NAMES = [b"SYSTEM  IMG", b"SYSTEM  CUR", b"SYSTEM  NEW", b"SYSTEM  OLD", b"GRUBENV    "]


def table(path: Path) -> dict[str, object]:
    out = subprocess.run(["sfdisk", "--json", path], check=True, capture_output=True).stdout
    found: dict[str, object] = json.loads(out)["partitiontable"]
    return found


def parts(path: Path) -> list[tuple[int, int, str]]:
    """(first byte, bytes, type) of each partition."""
    listed = table(path)["partitions"]
    assert isinstance(listed, list)
    return [(part["start"] * 512, part["size"] * 512, part["type"]) for part in listed]


def test_mbr(install: Run, image: Path, loaders: Path, tmp_path: Path) -> None:
    disk, ini, cfg, more = (tmp_path / name for name in ("d.img", "ini", "cfg", "more.zip"))
    ini.write_text("hostname = x\n")
    cfg.write_text("set timeout=5\n")
    with zipfile.ZipFile(more, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Extra Folder/a long name.txt", "extra")
        archive.writestr("EFI/BOOT/BOOTX64.EFI", "another loader")
    words = ("--system-ini", ini, "--system-cfg", cfg, "--label", "my-disk", "--additional-boot-files", more)
    status, out, err = install("--disk", disk, "--size", "300M", "--bootloaders", loaders, "-y", *words, image)
    assert (status, out) == (0, ""), err
    assert disk.stat().st_size == 300 * MIB and disk.stat().st_blocks * 512 < 20 * MIB
    (boot, data) = parts(disk)
    assert boot[0] == MIB and boot[2] == "ef" and data[2] == "83"
    assert data[0] == boot[0] + boot[1] and data[0] + data[1] == 299 * MIB
    found = Fat(disk, boot[0])
    assert {name.lower() for name in found.names()} == {
        *("system.img", "system.cur", "system.new", "system.old", "system.sum", "grubenv", "system.ini", "system.cfg"),
        *("boot/grub/grub.cfg", "efi/boot/bootia32.efi", "efi/boot/bootx64.efi", "extra folder/a long name.txt"),
    }
    assert found.read("system.img") == image.read_bytes()
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    assert found.read("system.sum").decode().startswith(f"{digest} {image.stat().st_size} ")
    assert found.read("grubenv") == b"# GRUB Environment Block\n" + b"#" * 999
    assert found.read("system.ini") == ini.read_bytes() and found.read("system.cfg") == cfg.read_bytes()
    assert found.read("Extra Folder/a long name.txt") == b"extra"
    assert found.read("efi/boot/bootx64.efi") == b"another loader"
    assert found.read("efi/boot/bootia32.efi") == (loaders / "bootia32.efi").read_bytes()
    assert b"menuentry" in found.read("boot/grub/grub.cfg")
    assert [found.read(name) for name in ("system.cur", "system.new", "system.old")] == [b"", b"", b""]
    assert {*NAMES, b"SYSTEM  SUM"} < set(found.first_sector_of_root())
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    assert found.read("system.sum").decode().split()[:2] == [digest, str(image.stat().st_size)]
    label, serial = found.label_and_serial()
    assert label == "MY-DISK"
    found.check(tmp_path, boot[1])
    btrfs = tmp_path / "data"
    with disk.open("rb") as file:
        file.seek(data[0])
        btrfs.write_bytes(file.read(data[1]))
    shown = subprocess.run(["blkid", "-p", "-o", "export", btrfs], check=True, capture_output=True, text=True).stdout
    assert f"LABEL=data-{serial}" in shown and "TYPE=btrfs" in shown
    subprocess.run(["btrfs", "check", btrfs], check=True, capture_output=True)


def test_bios_loader_of_an_mbr_disk(install: Run, image: Path, loaders: Path, tmp_path: Path) -> None:
    """boot.img points at the core, the core's first sector at its rest; disk id and table are those of sfdisk."""
    disk = tmp_path / "d.img"
    assert install("--disk", disk, "--size", "300M", "--bootloaders", loaders, "-y", image)[0] == 0
    content = disk.read_bytes()[:MIB]
    core = (loaders / "core.img").read_bytes()
    assert content[:0x5A] == (loaders / "boot.img").read_bytes()[:0x5A]
    assert struct.unpack_from("<Q", content, biosdisk.POINTER) == (1,)
    assert content[0x66:0x68] == b"\x90\x90"
    assert struct.unpack_from("<QHH", content, 1024 - 12) == (2, -(-len(core) // 512) - 1, 0x820)
    assert content[1024 : 512 + len(core)] == core[512:]
    assert content[510:512] == b"\x55\xaa"
    assert table(disk)["id"] == f"0x{int.from_bytes(content[0x1B8:0x1BC], 'little'):08x}"


@pytest.mark.parametrize(
    ("words", "kind"),
    [((), "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"), (("--no-esp",), "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7")],
)
def test_gpt(install: Run, image: Path, loaders: Path, tmp_path: Path, words: tuple[str, ...], kind: str) -> None:
    disk = tmp_path / "d.img"
    command = ("--disk", disk, "--size", "300M", "--gpt", "--bootloaders", loaders, "-y", *words, image)
    status, _, err = install(*command)
    assert status == 0 and "the boot loader for BIOS is left out on a GPT disk" in err
    assert [part[2] for part in parts(disk)] == [kind, "0FC63DAF-8483-4772-8E79-3D69D8477DE4"]
    assert "boot/grub/grub.cfg" not in Fat(disk, MIB).names()
    checked = subprocess.run(["sfdisk", "--verify", disk], check=True, capture_output=True, text=True)
    assert "No errors detected" in checked.stdout + checked.stderr


def test_no_esp_on_mbr(install: Run, image: Path, loaders: Path, tmp_path: Path) -> None:
    disk = tmp_path / "d.img"
    assert install("--disk", disk, "--size", "300M", "--no-esp", "--bootloaders", loaders, "-y", image)[0] == 0
    assert [part[2] for part in parts(disk)] == ["c", "83"]


def test_superfloppy_and_samples(install: Run, image: Path, loaders: Path, tmp_path: Path) -> None:
    disk = tmp_path / "d.img"
    status, _, err = install("--disk", disk, "--superfloppy", "--bootloaders", loaders, "-y", image)
    assert status == 0 and "on a disk without partitions: it boots by UEFI alone" in err
    found = Fat(disk)
    assert found.read("system.img") == image.read_bytes()
    found.check(tmp_path, disk.stat().st_size)
    for name in ("system.ini.sample", "system.cfg.sample"):
        text = found.read(name).decode()
        assert all(not line or line.startswith("#") for line in text.splitlines())
    again = tmp_path / "e.img"
    assert install("--disk", again, "--superfloppy", "--no-sample", "--bootloaders", loaders, "-y", image)[0] == 0
    assert found.names() - Fat(again).names() == {"system.ini.sample", "system.cfg.sample"}


def test_ids(install: Run, image: Path, loaders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random by themselves; with a given time the same bytes, except for --random-ids."""

    def made(name: str, *words: str) -> str:
        disk = tmp_path / name
        base = ("--disk", disk, "--size", "200M", "--superfloppy", "--bootloaders", loaders, "-y", *words, image)
        assert install(*base)[0] == 0
        return hashlib.sha256(disk.read_bytes()).hexdigest()

    assert made("a") != made("b")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1600000000")
    assert made("c") == made("d")
    assert made("e", "--random-ids") != made("f", "--random-ids")
    listed = subprocess.run(["mdir", "-i", tmp_path / "c", "::grubenv"], check=True, capture_output=True, text=True,
                            env={"TZ": "UTC"})  # fmt: skip
    assert "2020-09-13" in listed.stdout


def test_an_image_for_the_data_partition(
    install: Run, loaders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit of FAT lowered: the image is the file `system` of the data partition, and root's."""
    monkeypatch.setattr("genpack_install.layout.FAT_FILE_LIMIT", 100_000)
    image, disk = make_image(tmp_path / "x", tmp_path / "t"), tmp_path / "d.img"
    assert install("--disk", disk, "--size", "400M", "--bootloaders", loaders, "-y", image)[0] == 0
    (boot, data) = parts(disk)
    assert not {name for name in Fat(disk, boot[0]).names() if name.startswith("system.") and "sample" not in name}
    btrfs, restored = tmp_path / "data", tmp_path / "restored"
    with disk.open("rb") as file:
        file.seek(data[0])
        btrfs.write_bytes(file.read(data[1]))
    restored.mkdir()
    subprocess.run(["btrfs", "restore", "-m", btrfs, restored], check=True, capture_output=True)
    assert (restored / "system").read_bytes() == image.read_bytes()
    assert (restored / "system").stat().st_uid == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_file_that_exists_keeps_its_size(install: Run, image: Path, loaders: Path, tmp_path: Path) -> None:
    disk = tmp_path / "d.img"
    with disk.open("wb") as file:
        file.truncate(300 * MIB)
    status, _, err = install("--disk", disk, "--bootloaders", loaders, "-y", image)
    assert status == 0 and f"everything on {disk} will be lost" in err
    assert disk.stat().st_size == 300 * MIB and len(parts(disk)) == 2
    assert install("--disk", disk, "--size", "400M", "--bootloaders", loaders, "-y", image)[0] == 2


def test_dry_run_and_json(install: Run, image: Path, loaders: Path, tmp_path: Path) -> None:
    disk = tmp_path / "d.img"
    words = ("--disk", disk, "--size", "300M", "--bootloaders", loaders, "--json", image)
    status, out, _ = install(*words, "--dry-run")
    plan = json.loads(out)
    assert status == 0 and not disk.exists() and list(tmp_path.glob(".*")) == []
    assert plan["image"]["artifact"] == "tiny" and plan["image"]["variant"] == "small"
    assert [part["filesystem"] for part in plan["partitions"]] == ["FAT32", "Btrfs"]
    assert {"name": "system.img", "size": image.stat().st_size} in plan["files"]
    assert sum(part["size"] for part in plan["partitions"]) == 298 * MIB
    status, out, _ = install(*words, "-y")
    first, last = map(json.loads, out.splitlines())
    assert status == 0 and len(first["steps"]) == len(plan["steps"]) and last == {"done": True, "target": str(disk)}


def test_a_failure_leaves_nothing(
    install: Run, image: Path, loaders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that fails in the middle, and Ctrl-C there."""
    disk = tmp_path / "d.img"
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "sfdisk").write_text("#!/bin/sh\necho the disk is bewitched >&2\nexit 3\n")
    (fake / "sfdisk").chmod(0o755)
    words = ("--disk", disk, "--size", "300M", "--bootloaders", loaders, "-y", image)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{fake}:{os.environ['PATH']}")
        status, _, err = install(*words)
    assert status == 1 and "sfdisk ended with status 3: the disk is bewitched" in err
    assert f"{disk} was not made" in err
    assert not disk.exists() and list(tmp_path.glob(".*")) == []

    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(fatfile, "fill", interrupted)
    status, _, err = install(*words)
    assert status == 130 and f"{disk} was not made" in err
    assert not disk.exists() and list(tmp_path.glob(".*")) == []


def test_missing_programs_are_named_together(
    install: Run, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    status, _, err = install("--disk", tmp_path / "d.img", "--size", "300M", "-y", image)
    assert status == 1
    for name, package in (("mkfs.fat", "dosfstools"), ("sfdisk", "fdisk"), ("mcopy", "mtools")):
        assert f"{name} is required to" in err and package in err


@pytest.mark.parametrize("size", [1, 4096, 4097, 5 * MIB + 3])
def test_the_image_s_place_in_fat(tmp_path: Path, size: int) -> None:
    """Our writing of a FAT file against mtools' reading and fsck.fat's check, free count included."""
    disk, source = tmp_path / "fat", tmp_path / "source"
    source.write_bytes(os.urandom(size))
    with disk.open("wb") as file:
        file.truncate(64 * MIB)
    fat.make(disk, 0, 64 * MIB, label="X", serial=1, log=Log())
    subprocess.run(["mcopy", "-i", disk, "/dev/null", "::system.img"], check=True, env={"MTOOLS_SKIP_CHECK": "1"})
    assert fatfile.fill(disk, 0, "system.img", source, size) == hashlib.sha256(source.read_bytes()).hexdigest()
    assert Fat(disk).read("system.img") == source.read_bytes()
    assert "Free cluster summary" not in Fat(disk).check(tmp_path, 64 * MIB)
