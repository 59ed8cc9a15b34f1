# SPDX-License-Identifier: MIT
"""The boot loaders: made from GRUB's modules, found again, the same each time."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from conftest import GRUB, Run, make_image
from genpack_install import biosdisk, bootloader
from genpack_install.errors import InstallError, UsageError
from genpack_install.image import check
from genpack_install.log import Log

pytestmark = pytest.mark.spawns
HERE = [name for name in (*bootloader.EFI, bootloader.BIOS) if (GRUB / name).is_dir()]


def test_all_that_can_be_made(loaders: Path) -> None:
    made = {path.name for path in loaders.iterdir()}
    assert made >= {"bootx64.efi", "bootia32.efi", "boot.img", "core.img", "eltorito-bios.img", "eltorito-efi.img"}
    for name in made & set(bootloader.EFI.values()):
        content = (loaders / name).read_bytes()
        assert content[:2] == b"MZ" and bootloader.grub_cfg().encode() in content
    assert (loaders / "boot.img").stat().st_size == 512
    assert (loaders / "core.img").stat().st_size <= biosdisk.CORE_SECTORS * 512
    listed = subprocess.run(["mdir", "-b", "-/", "-i", loaders / "eltorito-efi.img", "::"], check=True,
                            capture_output=True, text=True, env={"MTOOLS_SKIP_CHECK": "1"})  # fmt: skip
    assert {"::/efi/boot/bootx64.efi", "::/efi/boot/bootia32.efi"} <= set(listed.stdout.splitlines())


def test_same_bytes_again(install: Run, loaders: Path, tmp_path: Path) -> None:
    status, out, _ = install("build-bootloaders", "--output", tmp_path / "new/folder")
    assert status == 0
    assert {Path(line).name for line in out.splitlines()} == {path.name for path in loaders.iterdir()}
    for path in loaders.iterdir():
        assert (tmp_path / "new/folder" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize(
    ("targets", "made"),
    [
        ("x86_64-efi", {"bootx64.efi"}),
        ("i386-pc", {"boot.img", "core.img"}),
        ("eltorito", {"eltorito-bios.img", "eltorito-efi.img", "boot-hybrid.img"}),
    ],
)
def test_targets(install: Run, tmp_path: Path, targets: str, made: set[str]) -> None:
    assert install("build-bootloaders", "--output", tmp_path / "x", "--targets", targets)[0] == 0
    assert {path.name for path in (tmp_path / "x").iterdir()} == made


def test_what_can_t_be_made(install: Run, tmp_path: Path) -> None:
    status, _, err = install("build-bootloaders", "--output", tmp_path / "x", "--targets", "sparc64")
    assert status == 2 and "unknown target sparc64" in err and "arm64-efi" in err
    status, _, err = install("build-bootloaders", "--output", tmp_path / "x", "--grub", tmp_path)
    assert status == 1 and f"GRUB's modules for any platform are not in {tmp_path}" in err
    assert not (tmp_path / "x").exists()


def test_where_they_are_looked_for(loaders: Path, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder given, else those in the image, else the machine's."""
    log = Log()
    host = tmp_path / "host"
    monkeypatch.setattr(bootloader, "HOST_FOLDERS", (tmp_path / "none", host))
    with pytest.raises(UsageError, match="neither the image nor this machine has boot loaders"):
        bootloader.find(check(image, log), None, log)
    host.mkdir()
    (host / "bootx64.efi").write_bytes(b"host")
    assert bootloader.find(check(image, log), None, log).efi == {"bootx64.efi": b"host"}
    inside = tmp_path / "inside/usr/lib/genpack-install"
    inside.mkdir(parents=True)
    (inside / "bootx64.efi").write_bytes(b"image")
    with_loaders = check(make_image(tmp_path / "i.squashfs", tmp_path / "inside"), log)
    assert bootloader.find(with_loaders, None, log).efi == {"bootx64.efi": b"image"}
    assert set(bootloader.find(with_loaders, loaders, log).efi) >= {"bootx64.efi", "bootia32.efi"}


def test_a_core_that_is_too_large() -> None:
    with pytest.raises(InstallError, match="1024 sectors: 1023 fit"):
        biosdisk.prepared(bytes(1023 * 512 + 1), 1)


def test_a_program_that_fails(tmp_path: Path) -> None:
    """grub-mkimage with a broken module: its own words."""
    grub = tmp_path / "grub/i386-pc"
    grub.mkdir(parents=True)
    (grub / "moddep.lst").write_text("")
    (grub / "boot.img").write_bytes(bytes(512))
    with pytest.raises(InstallError, match="grub-mkimage ended with status 1"):
        bootloader.build(tmp_path / "x", ["i386-pc"], tmp_path / "grub", Log())
    assert not list((tmp_path / "x").iterdir())
