# SPDX-License-Identifier: MIT
"""Bad images, files and options: one clear line each, nothing written."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import make_image

pytestmark = pytest.mark.spawns
Refused = Callable[..., str]
MODES = ["--disk", "--cdrom", "--zip"]


@pytest.fixture(params=MODES)
def made(request: pytest.FixtureRequest, tmp_path: Path, loaders: Path) -> list[object]:
    """The options for each mode."""
    return [request.param, tmp_path / "out", "--bootloaders", loaders, "-y"]


def test_not_a_squashfs(refused: Refused, made: list[object], tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    for content in (b"", b"text", bytes(4096)):
        bad.write_bytes(content)
        assert refused(*made, bad).startswith(f"{bad} is not a SquashFS image")
    assert "No such file" in refused(*made, tmp_path / "none")
    assert "Is a directory" in refused(*made, tmp_path)


def test_truncated(refused: Refused, made: list[object], image: Path) -> None:
    os.truncate(image, image.stat().st_size - 4096)
    assert f"{image} is truncated" in refused(*made, image)


def test_a_file_whose_end_a_loop_device_would_hide(refused: Refused, made: list[object], image: Path) -> None:
    with image.open("ab") as file:
        file.write(b"x")
    assert "no multiple of 512" in refused(*made, image)


@pytest.mark.parametrize("field", [64, 72, 80])
def test_damaged_tables(refused: Refused, made: list[object], image: Path, field: int) -> None:
    """The tables of inodes, folders and fragments: 64 bytes of noise at their beginning."""
    content = bytearray(image.read_bytes())
    at = int.from_bytes(content[field : field + 8], "little")
    content[at : at + 64] = bytes(range(64))
    image.write_bytes(content)
    assert f"{image} is damaged" in refused(*made, image)


def test_damaged_superblock(refused: Refused, made: list[object], image: Path) -> None:
    content = bytearray(image.read_bytes())
    content[20] = 77
    image.write_bytes(content)
    assert f"{image} is damaged: its superblock makes no sense" in refused(*made, image)


def test_no_genpack_folder(refused: Refused, made: list[object], tmp_path: Path) -> None:
    tree = tmp_path / "t"
    (tree / "boot").mkdir(parents=True)
    path = tmp_path / "x.squashfs"
    subprocess.run(["mksquashfs", tree, path, "-quiet", "-no-progress"], check=True, capture_output=True)
    assert f"{path} has no /.genpack" in refused(*made, path)


@pytest.mark.parametrize("name", ["kernel", "initramfs"])
def test_no_kernel_or_initramfs(refused: Refused, made: list[object], tmp_path: Path, name: str) -> None:
    path = make_image(tmp_path / "x.squashfs", tmp_path / "t", remove=(f"boot/{name}",))
    assert f"{path} has no /boot/{name}" in refused(*made, path)


@pytest.mark.parametrize(
    "target", ["nowhere", "../../etc/kernel", "/usr/../../kernel", "kernel", "/usr/share", "/usr/x/y"]
)
def test_a_kernel_that_leads_nowhere(refused: Refused, made: list[object], tmp_path: Path, target: str) -> None:
    (tmp_path / "t/boot").mkdir(parents=True)
    (tmp_path / "t/boot/kernel").symlink_to(target)
    path = make_image(tmp_path / "x.squashfs", tmp_path / "t")
    assert f"/boot/kernel leads nowhere in the image ({target})" in refused(*made, path)


@pytest.mark.parametrize("compressor", ["zstd", "lz4"])
def test_what_grub_can_t_read(refused: Refused, made: list[object], tmp_path: Path, compressor: str) -> None:
    path = make_image(tmp_path / "x.squashfs", tmp_path / "t", compressor=compressor)
    text = refused(*made, path)
    assert f"{path} is compressed with {compressor}" in text and "genpack pack --compression gzip" in text


def test_bad_configuration_files(refused: Refused, made: list[object], image: Path, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"a\0b")
    (tmp_path / "large").write_bytes(b"#" * ((1 << 20) + 1))
    for option in ("--system-ini", "--system-cfg"):
        assert f"{option}: cannot read {tmp_path / 'no'}" in refused(*made, option, tmp_path / "no", image)
        assert "is no text file" in refused(*made, option, tmp_path / "binary", image)
        assert "more than 1 MiB" in refused(*made, option, tmp_path / "large", image)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["../x"], "leads out of the boot partition"),
        (["/x"], "leads out of the boot partition"),
        (["a/../../x"], "leads out of the boot partition"),
        (["a:b"], "can't be the name of a file on FAT"),
        (["System.IMG"], "a name that genpack-install uses itself"),
        (["grubenv"], "a name that genpack-install uses itself"),
        (["a/b", "A/B"], "is in it twice"),
    ],
)
def test_bad_additional_files(
    refused: Refused, made: list[object], image: Path, tmp_path: Path, names: list[str], text: str
) -> None:
    path = tmp_path / "more.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    assert text in refused(*made, "--additional-boot-files", path, image)


def test_additional_files_that_are_no_zip(refused: Refused, made: list[object], image: Path, tmp_path: Path) -> None:
    assert "is no ZIP file" in refused(*made, "--additional-boot-files", image, image)
    assert "cannot read" in refused(*made, "--additional-boot-files", tmp_path / "none", image)


def test_output_is_input(refused: Refused, image: Path, loaders: Path) -> None:
    for mode in MODES:
        assert "would overwrite its own input" in refused(mode, image, "--bootloaders", loaders, "-y", image)


def test_output_that_can_t_be(refused: Refused, made: list[object], image: Path, tmp_path: Path) -> None:
    made[1] = tmp_path / "no" / "out"
    assert f"there is no folder {tmp_path / 'no'}" in refused(*made, image)
    made[1] = tmp_path
    assert f"{tmp_path} is neither a file nor a disk" in refused(*made, image)


def test_a_file_that_another_program_locks(refused: Refused, made: list[object], image: Path, tmp_path: Path) -> None:
    """As QEMU does with the disk of a VM: a lock on some byte of it."""
    out = tmp_path / "out"
    out.write_bytes(bytes(4096))
    script = (
        "import fcntl,sys; f=open(sys.argv[1],'r+b'); fcntl.lockf(f,fcntl.LOCK_EX,1,201); print(flush=True); input()"
    )
    argv = [sys.executable, "-c", script, str(out)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            assert f"{out} is in use" in refused(*made, image)
        finally:
            holder.communicate("\n")
    with out.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # and nobody else does now


@pytest.mark.parametrize("label", ["", "TWELVE-CHARS", "a*b", "ü"])
def test_bad_label_of_a_disk(refused: Refused, image: Path, loaders: Path, tmp_path: Path, label: str) -> None:
    text = refused("--disk", tmp_path / "out", "--label", label, "--bootloaders", loaders, "-y", image)
    assert "--label" in text and "1 to 11 characters" in text


@pytest.mark.parametrize("label", ["", "x" * 33, "ü"])
def test_bad_label_of_a_cd(refused: Refused, image: Path, loaders: Path, tmp_path: Path, label: str) -> None:
    text = refused("--cdrom", tmp_path / "out", "--label", label, "--bootloaders", loaders, "-y", image)
    assert "can't be the name of an ISO 9660 volume" in text


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--size", "x"], "not a size"),
        (["--size", "0"], "not a size"),
        (["--size", "1000000"], "not a whole number of MiB"),
        (["--size", "60M"], "60.0 MiB: "),
        (["--size", "30M", "--superfloppy"], "are too small"),
        (["--superfloppy", "--gpt"], "--superfloppy makes no partitions"),
        (["--superfloppy", "--no-esp"], "--superfloppy makes no partitions"),
        (["--bootloaders", "/nowhere"], "there is no folder /nowhere"),
    ],
)
def test_bad_disk_options(
    refused: Refused, image: Path, loaders: Path, tmp_path: Path, words: list[str], text: str
) -> None:
    assert text in refused("--disk", tmp_path / "out", "--bootloaders", loaders, "-y", *words, image)


def test_modes_exclude_each_other(refused: Refused, image: Path, tmp_path: Path) -> None:
    assert "only one thing" in refused("--cdrom", tmp_path / "a", "--zip", tmp_path / "b", image)
    for option in ("--gpt", "--superfloppy", "--no-esp"):
        assert f"{option} is for --disk" in refused("--zip", tmp_path / "a", option, image)
    assert "--size is for --disk" in refused("--cdrom", tmp_path / "a", "--size", "1G", image)
    assert "a ZIP has none" in refused("--zip", tmp_path / "a", "--label", "X", image)


def test_nobody_can_be_asked(
    install: Callable[..., tuple[int, str, str]], image: Path, loaders: Path, tmp_path: Path
) -> None:
    """Standard input of tests is no terminal."""
    status, _, err = install("--zip", tmp_path / "out", "--bootloaders", loaders, image)
    assert status == 2 and "nobody can be asked" in err and "tip: give -y" in err
    assert not (tmp_path / "out").exists()


def test_bad_time(refused: Refused, made: list[object], image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert "SOURCE_DATE_EPOCH=yesterday is no number" in refused(*made, image)


def test_no_loaders_anywhere(refused: Refused, image: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for mode in MODES:
        assert "no boot loader in" in refused(mode, tmp_path / "out", "--bootloaders", tmp_path / "empty", "-y", image)
