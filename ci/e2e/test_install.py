# SPDX-License-Identifier: MIT
"""genpack-install: what a user without rights makes boots, here tiny images by UEFI."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from harness.bed import Bed
from harness.installing import Nobody, boot, tiny_image
from harness.machine import Timing

RUN = "/run/initramfs"
#: The tiny system writes to the last console, here the serial one; and nobody waits after a panic.
QUIET = 'set LINUX_ARGS="console=ttyS0 quiet panic=1"\n'


@pytest.fixture(scope="module")
def tiny(bed: Bed, nobody: Nobody) -> Path:
    return tiny_image(bed, "tiny", nobody.folder)


@pytest.fixture(scope="module")
def quiet(nobody: Nobody) -> Path:
    path = nobody.folder / "system.cfg"
    path.write_text(QUIET)
    return path


def test_iso_by_uefi(nobody: Nobody, loaders: Path, tiny: Path, quiet: Path, bed: Bed, timing: Timing) -> None:
    iso = nobody.out / "tiny.iso"
    nobody.install("--cdrom", iso, "--system-cfg", quiet, "--bootloaders", loaders, "-y", tiny)
    found = boot("iso-uefi", iso, bed, timing, "--uefi-disk")
    assert found.image == "tiny" and found.console.trouble() == []
    assert found.mounts[f"{RUN}/boot"][1] == "iso9660" and found.mounts[f"{RUN}/rw"][1] == "tmpfs"


def test_superfloppy_by_uefi(nobody: Nobody, loaders: Path, tiny: Path, quiet: Path, bed: Bed, timing: Timing) -> None:
    disk = nobody.out / "superfloppy.img"
    nobody.install("--disk", disk, "--superfloppy", "--system-cfg", quiet, "--bootloaders", loaders, "-y", tiny)
    found = boot("superfloppy-uefi", disk, bed, timing, "--uefi-disk")
    assert found.image == "tiny" and found.console.trouble() == []
    device, kind, _ = found.mounts[f"{RUN}/boot"]
    assert kind == "vfat" and device[-1].isalpha()  # no partition
    assert found.mounts[f"{RUN}/rw"][1] == "tmpfs"


def test_a_zip_holds_all_of_a_boot_partition(nobody: Nobody, loaders: Path, tiny: Path) -> None:
    path = nobody.out / "tiny.zip"
    nobody.install("--zip", path, "--bootloaders", loaders, "-y", tiny)
    with zipfile.ZipFile(path) as archive:
        assert {"system.img", "grubenv", "efi/boot/bootx64.efi"} <= set(archive.namelist())
        with archive.open("system.img") as stored, tiny.open("rb") as source:
            while block := source.read(1 << 20):
                assert stored.read(len(block)) == block
            assert stored.read() == b""
