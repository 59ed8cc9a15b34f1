# SPDX-License-Identifier: MIT
"""`vm run` of disks and CDs by firmware, with a real QEMU, SeaBIOS and OVMF."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import guest
import pytest
from conftest import Vm, check
from genpack_vm import cli

pytestmark = pytest.mark.qemu
MIB = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A disk whose boot sector is the stub guest."""
    path = tmp_path / "disk.img"
    path.write_bytes(guest.boot_sector() + bytes(MIB - 512))
    return path


def stopped(vm: Vm, *arguments: str | Path) -> str:
    """Boot in the background, wait for the guest, power it down; the console's text."""
    started = vm("run", "--detach", "--name", "fw", "--memory", "256", *arguments)
    assert started.returncode == 0, started.stderr
    log = vm.root / "fw" / "console.log"
    vm.until(lambda: log.exists() and "STUB GUEST" in log.read_text(errors="replace"), seconds=240)
    assert vm("stop", "-w", "fw").returncode == 0
    return (vm.root / ".ended" / "fw.console").read_text(errors="replace")


@pytest.mark.parametrize("options", [[], ["--no-virtio-for-bios-disks"]], ids=["virtio", "ahci"])
def test_disk_by_bios(vm: Vm, disk: Path, options: list[str]) -> None:
    assert stopped(vm, "--bios", *options, disk).endswith("STUB GUEST\nPOWER BUTTON\n")


@pytest.mark.parametrize("options", [[], ["--no-virtio-for-bios-disks"]], ids=["scsi", "ahci"])
def test_iso_by_bios(vm: Vm, tmp_path: Path, options: list[str]) -> None:
    iso = tmp_path / "boot.iso"
    iso.write_bytes(guest.iso())
    iso.chmod(0o444)
    assert "STUB GUEST" in stopped(vm, "--bios", *options, iso)


def test_an_empty_disk_and_a_cd(vm: Vm, tmp_path: Path) -> None:
    """As an installer is started: the disk has nothing to boot, so the CD's turn comes."""
    target, iso = tmp_path / "target.img", tmp_path / "boot.iso"
    target.write_bytes(bytes(MIB))
    iso.write_bytes(guest.iso())
    assert "STUB GUEST" in stopped(vm, "--bios", "--cdrom", iso, target)


def test_disk_by_uefi(vm: Vm, tmp_path: Path) -> None:
    """OVMF's shell runs startup.nsh of a FAT file system."""
    disk, script = tmp_path / "esp.img", tmp_path / "startup.nsh"
    with disk.open("wb") as file:
        file.truncate(64 * MIB)
    script.write_text("echo STUB GUEST\r\nreset -s\r\n")
    subprocess.run(["mkfs.fat", "-F", "32", disk], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["mcopy", "-i", disk, script, "::/startup.nsh"], check=True)
    log = tmp_path / "log"
    done = vm("run", "--uefi-disk", "--memory", "256", "--timeout", "240", "--console-log", log, disk, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "STUB GUEST" in log.read_text(errors="replace")


def test_dry_run(vm: Vm, disk: Path) -> None:
    done = vm("run", "--dry-run", "--uefi-disk", "--name", "x", disk)
    argv = shlex.split(done.stdout)
    flash = [word for word in argv if word.startswith("if=pflash")]
    assert len(flash) == 2, done.stdout
    assert flash[1].endswith(f"file={vm.root}/x/efivars.fd")
    assert "-kernel" not in argv
    assert f"{vm.root}/x/efivars.fd is a copy of " in done.stderr
    assert not (vm.root / "x").exists()


def test_bad_input(run_root: Path, home: Path, tmp_path: Path, disk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def bad(arguments: list[str | Path], message: str, status: int = 2) -> None:
        found = cli.execute([str(a) for a in arguments])
        check((found, *capfd.readouterr()), run_root, message, status)

    empty = tmp_path / "empty.iso"
    empty.touch()
    bad(["run", "--bios", "--uefi-disk", disk], "--bios and --uefi-disk exclude each other")
    bad(["run", "--bios", tmp_path / "none"], "IMAGE: there is no .*none")
    bad(["run", "--bios", empty], "IMAGE: .*empty.iso is empty")
    bad(["run", "--bios", tmp_path], "IMAGE: cannot read and write .*Is a directory")
    bad(["run", "--bios", "--arch", "aarch64", disk], "--bios: aarch64 has no BIOS")
    bad(["run", "--uefi-disk", "--arch", "vax", disk], "--arch vax: unknown architecture")
    bad(["run", "--arch", "x86_64", disk], "--arch is for --bios and --uefi-disk")
    bad(["run", "--no-virtio-for-bios-disks", disk], "--no-virtio-for-bios-disks needs --bios or --uefi-disk")
    bad(["run", "--bios", "--append", "quiet", disk], "--append is for direct boot")
    bad(["run", "--bios", "--cdrom", tmp_path / "none.iso", disk], "--cdrom: there is no ")
    bad(["run", "--bios", "--cdrom", disk, disk], "the same file is given for two disks")
    bad(["run", "--uefi-disk", "--no-virtio-for-bios-disks", "--arch", "aarch64", disk], "virtio disks only")


def test_no_firmware(
    run_root: Path, home: Path, disk: Path, capfd: pytest.CaptureFixture[str], fake_program: Callable[[str, str], Path]
) -> None:
    fake_program("qemu-system-riscv64", "exit 1")
    found = cli.execute(["run", "--uefi-disk", "--arch", "riscv64", str(disk)])
    check((found, *capfd.readouterr()), run_root, "no UEFI firmware for riscv64 is installed", 1)
