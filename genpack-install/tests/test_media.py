# SPDX-License-Identifier: MIT
"""ISO files and ZIPs, really made."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest
from conftest import Run, make_image

pytestmark = pytest.mark.spawns


def xorriso(path: Path, *words: str) -> str:
    argv = ["xorriso", "-indev", str(path), *words]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    return done.stdout + done.stderr


def test_iso(install: Run, image: Path, loaders: Path, tmp_path: Path) -> None:
    iso, ini = tmp_path / "x.iso", tmp_path / "a=b.ini"
    ini.write_text("hostname = x\n")
    words = ("--label", "My CD", "--system-ini", ini, "--bootloaders", loaders, "-y", image)
    status, out, err = install("--cdrom", iso, *words)
    assert (status, out) == (0, ""), err
    report = xorriso(iso, "-report_el_torito", "plain")
    assert "Volume id    : 'My CD'" in report
    assert "El Torito boot img :   1  BIOS" in report and "El Torito boot img :   2  UEFI" in report
    xorriso(iso, "-osirrox", "on", "-extract", "/", str(tmp_path / "files"))
    files = {str(path.relative_to(tmp_path / "files")) for path in (tmp_path / "files").rglob("*") if path.is_file()}
    assert files >= {"system.img", "system.ini", "system.cfg.sample", "efi/boot/bootx64.efi", "boot/grub/grub.cfg"}
    assert (tmp_path / "files/system.img").read_bytes() == image.read_bytes()
    assert (tmp_path / "files/system.ini").read_text() == "hostname = x\n"
    shown = subprocess.run(["sfdisk", "--dump", iso], check=True, capture_output=True, text=True).stdout
    assert "type=ef" in shown and "bootable" in shown
    kinds = subprocess.run(["blkid", "-p", "-o", "export", iso], check=False, capture_output=True, text=True).stdout
    assert "PTTYPE=dos" in kinds


def test_iso_is_the_same_again(install: Run, image: Path, loaders: Path, tmp_path: Path) -> None:
    """Also its id, which another image does not share."""
    other = make_image(tmp_path / "o.squashfs", tmp_path / "o", compressor="xz")
    for name, words in (("a", (image,)), ("b", (image,)), ("c", (other,)), ("d", ("--random-ids", image))):
        assert install("--cdrom", tmp_path / name, "--bootloaders", loaders, "-y", *words)[0] == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    # The volume's modification date (ECMA-119, 8.4.27), which blkid and GRUB call its UUID.
    dates = {name: (tmp_path / name).read_bytes()[32768 + 830 : 32768 + 846] for name in "acd"}
    assert len(set(dates.values())) == 3
    assert all(date.isdigit() for date in dates.values())


def test_zip(install: Run, image: Path, loaders: Path, tmp_path: Path) -> None:
    path, cfg = tmp_path / "x.zip", tmp_path / "cfg"
    cfg.write_text("set timeout=3\n")
    status, out, err = install("--zip", path, "--system-cfg", cfg, "--bootloaders", loaders, "-y", image)
    assert (status, out) == (0, ""), err
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        assert names >= {"system.img", "grubenv", "system.cfg", "system.ini.sample", "efi/boot/bootx64.efi"}
        assert "boot/grub/grub.cfg" not in names
        assert archive.read("system.img") == image.read_bytes() and archive.read("system.cfg") == cfg.read_bytes()
        assert len(archive.read("grubenv")) == 1024
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.getinfo("system.img").date_time == (2023, 11, 14, 22, 13, 20)
    again = tmp_path / "y.zip"
    assert install("--zip", again, "--system-cfg", cfg, "--bootloaders", loaders, "-y", image)[0] == 0
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("mode", ["--cdrom", "--zip"])
def test_a_file_that_is_there_stays_if_the_work_fails(
    install: Run, image: Path, loaders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    path = tmp_path / "x"
    path.write_text("old\n")

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("genpack_install.cdrom.CdWork.run", fail)
    monkeypatch.setattr("genpack_install.zipmode.ZipWork.run", fail)
    status, _, err = install(mode, path, "--bootloaders", loaders, "-y", image)
    assert status == 130 and f"{path} was not changed" in err
    assert path.read_text() == "old\n" and list(tmp_path.glob(".*")) == []
