# SPDX-License-Identifier: MIT
"""The image: what is left out, the command line, the check, and a real mksquashfs."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from genpack.errors import GenpackError, StepError
from genpack.log import Log
from genpack.model import ALGORITHMS, Compression
from genpack.pack import Pack
from genpack.steps import Steps

from genpack import __version__, pack, records, squashfs

FORMATS = Path(__file__).resolve().parents[2] / "ci/formats"
EPOCH = 1700000000


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    top = tmp_path / "upper"
    for name in ("usr/bin/program", "build", "build.d/10-x", "var/log/daemon/file", "var/log/messages", "var/tmp/a/b"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)
    (top / "var/cache/ldconfig").mkdir(parents=True)
    (top / "var/cache/ldconfig/aux-cache").write_text("")
    (top / "usr/bin/link").symlink_to("program")
    return top


def test_what_is_left_out(upper: Path) -> None:
    expected = ["build", "build.d", "var/cache/ldconfig", "var/log/daemon/file", "var/log/messages", "var/tmp/a"]
    assert list(pack.left_out(upper)) == expected


def test_folders_and_links_have_the_image_s_time(upper: Path) -> None:
    os.utime(upper / "usr/bin/program", (5, 5))
    pack.settle(upper, EPOCH)
    times = {path.relative_to(upper).as_posix(): path.lstat().st_mtime for path in (upper, *upper.rglob("*"))}
    assert times["usr/bin/program"] == 5
    assert {name for name, time in times.items() if time != EPOCH} == {
        name for name in times if (upper / name).is_file() and not (upper / name).is_symlink()
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
def test_whiteouts_are_left_out(upper: Path) -> None:
    os.mknod(upper / "usr/gone", stat.S_IFCHR, os.makedev(0, 0))
    os.mknod(upper / "usr/null", stat.S_IFCHR, os.makedev(1, 3))
    found = set(pack.left_out(upper))
    assert "usr/gone" in found
    assert "usr/null" not in found


def test_a_name_that_the_list_can_t_hold(upper: Path) -> None:
    (upper / "var/log/a\nb").write_text("")
    with pytest.raises(GenpackError, match="can't be left out"):
        list(pack.left_out(upper))


def test_auto_is_gzip_with_grub(upper: Path) -> None:
    packer = Pack(upper, upper.parent / "x", Compression(), EPOCH)
    assert packer.algorithm() == "zstd"
    (upper / "usr/lib/genpack-install").mkdir(parents=True)
    assert packer.algorithm() == "zstd"
    (upper / "usr/lib/genpack-install/bootx64.efi").write_text("")
    assert packer.algorithm() == "gzip"
    assert Pack(upper, upper.parent / "x", Compression("xz"), EPOCH).algorithm() == "xz"


@pytest.mark.parametrize(
    ("compression", "words"),
    [
        (Compression("gzip"), "-comp gzip -Xcompression-level 1"),
        (Compression("gzip", 9), "-comp gzip -Xcompression-level 9"),
        (Compression("xz"), "-comp xz -b 1M"),
        (Compression("lzo"), "-comp lzo"),
        (Compression("lzo", 5), "-comp lzo -Xcompression-level 5"),
        (Compression("zstd"), "-comp zstd -Xcompression-level 3"),
        (Compression("zstd", 15), "-comp zstd -Xcompression-level 15"),
        (Compression("lz4"), "-comp lz4 -Xhc"),
        (Compression("none"), "-noI -noD -noF -noX"),
    ],
)
def test_command_line(upper: Path, compression: Compression, words: str) -> None:
    line = " ".join(map(str, Pack(upper, Path("/x"), compression, EPOCH).argv(Path("/t"), Path("/e"))))
    assert f"mksquashfs {upper} /t {words} -reproducible -xattrs" in line
    assert "setpriv --bounding-set -sys_admin --inh-caps -sys_admin" in line
    assert f"SOURCE_DATE_EPOCH={EPOCH}" in line
    assert line.endswith("-ef /e")


def test_superblock(tmp_path: Path) -> None:
    image = tmp_path / "x.squashfs"
    for content, words in ((b"", "no SquashFS"), (b"x" * 200, "no SquashFS")):
        image.write_bytes(content)
        with pytest.raises(GenpackError, match=words):
            squashfs.check_superblock(image)
    image.write_bytes(b"hsqs" + bytes(24) + b"\4" + bytes(11) + (500).to_bytes(8, "little") + bytes(100))
    with pytest.raises(GenpackError, match="truncated: 148 of 500 bytes"):
        squashfs.check_superblock(image)


def test_epoch(tmp_path: Path) -> None:
    file = tmp_path / "timestamp.commit"
    file.write_text("0123abcd 1704164645 2024-01-02T03:04:05Z\n")
    assert pack.epoch_of(file) == 1704164645
    file.write_text("nonsense")
    with pytest.raises(GenpackError, match="COMMIT EPOCH"):
        pack.epoch_of(file)


def run(packer: Pack, tmp_path: Path, name: str = "pack") -> str:
    out = io.StringIO()
    with Steps("pack", tmp_path / f"{name}.log", Log(out)) as steps:
        packer.run(steps)
    return out.getvalue()


real = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mksquashfs") is None, reason="needs root (to drop a capability) and mksquashfs"
)


@real
@pytest.mark.spawns
@pytest.mark.parametrize("algorithm", [name for name in ALGORITHMS if name != "auto"])
def test_real_images_are_the_same_at_any_time(upper: Path, tmp_path: Path, algorithm: str) -> None:
    out = tmp_path / "out"
    first = Pack(upper, out / "a.squashfs", Compression(algorithm), EPOCH)
    said = run(first, tmp_path)
    assert ("GRUB can't read" in said) is False
    os.utime(upper / "usr/bin/program", (EPOCH + 5, EPOCH + 5))
    os.utime(upper / "usr/bin/link", (EPOCH - 5, EPOCH - 5), follow_symlinks=False)
    run(Pack(upper, out / "b.squashfs", Compression(algorithm), EPOCH), tmp_path)
    assert (out / "a.squashfs").read_bytes() == (out / "b.squashfs").read_bytes()
    listing = subprocess.run(["unsquashfs", "-l", out / "a.squashfs"], capture_output=True, text=True, check=True)
    names = {line.removeprefix("squashfs-root").lstrip("/") for line in listing.stdout.splitlines()}
    assert {"usr/bin/program", "usr/bin/link", "var/tmp", "var/log/daemon", "var/cache"} <= names
    assert not {"build", "build.d", "var/tmp/a", "var/log/messages", "var/cache/ldconfig"} & names
    assert sorted(path.name for path in out.iterdir()) == ["a.squashfs", "b.squashfs"]


@real
@pytest.mark.spawns
def test_a_warning_if_grub_can_t_read_the_image(upper: Path, tmp_path: Path) -> None:
    (upper / "usr/lib/grub").mkdir(parents=True)
    (upper / "usr/lib/grub/core.img").write_text("")
    assert "GRUB can't read zstd" in run(Pack(upper, tmp_path / "a.squashfs", Compression("zstd"), EPOCH), tmp_path)
    assert "GRUB" not in run(Pack(upper, tmp_path / "a.squashfs", Compression(), EPOCH), tmp_path, "again")


@real
@pytest.mark.spawns
def test_a_failed_mksquashfs_leaves_the_old_image(upper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "out/a.squashfs"
    run(Pack(upper, output, Compression(), EPOCH), tmp_path)
    before = output.read_bytes()
    (tmp_path / "out/.a.squashfs.123.tmp").write_text("left by a killed run")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/mksquashfs").write_text('#!/bin/sh\necho half > "$2"\necho no space >&2\nexit 1\n')
    (tmp_path / "bin/mksquashfs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    (upper / "more").write_text("")
    with pytest.raises(StepError, match="mksquashfs exited with status 1") as caught:
        run(Pack(upper, output, Compression(), EPOCH), tmp_path)
    assert caught.value.tail == ["no space"]
    assert output.read_bytes() == before
    assert [path.name for path in output.parent.iterdir()] == ["a.squashfs"]


def test_sums_keep_the_lines_of_other_images(tmp_path: Path) -> None:
    image = tmp_path / "x-x86_64.squashfs"
    image.write_bytes(b"image")
    (tmp_path / "other").write_bytes(b"")
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  other\n{'1' * 64}  gone\n{'2' * 64}  {image.name}\n")
    records.write(image, "3" * 64, {"version": 1}, {})
    lines = (tmp_path / "SHA256SUMS").read_text().splitlines()
    assert lines[0] == f"{'0' * 64}  other"
    assert [line.split()[1] for line in lines] == ["other", "x-x86_64.manifest.json", "x-x86_64.squashfs"]
    assert lines[2].startswith("3333")
    assert json.loads((tmp_path / "x-x86_64.manifest.json").read_text()) == {"version": 1}


def test_packages_are_counted_as_the_sample_has_them() -> None:
    expected = json.loads((FORMATS / "squashfs/packages.json").read_text())
    packages = expected["packages"] if isinstance(expected, dict) else expected
    assert records.package_count(FORMATS / "squashfs/tree") == len(packages)
    assert records.package_count(FORMATS) == 0


def test_version() -> None:
    assert __version__ == "0.1.0"
