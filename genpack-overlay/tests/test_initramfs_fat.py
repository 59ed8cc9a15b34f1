# SPDX-License-Identifier: MIT
"""Two names of one chain of clusters, as a rename that was cut off leaves them, on real FAT file systems."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from conftest import DRACUT

SHELL = "/bin/sh"
KINDS = {"fat12": ("-F", "12", 4), "fat16": ("-F", "16", 16), "fat32": ("-F", "32", 40)}
CONTENT = os.urandom(100_000)


def run(*argv: object) -> str:
    return subprocess.run(list(map(str, argv)), capture_output=True, text=True, check=True).stdout


def make(path: Path, kind: str, names: tuple[str, ...]) -> Path:
    """A FAT with `names`, each of other content; many files with long names come first, so that the folder is long."""
    *options, mib = KINDS[kind]
    with path.open("wb") as file:
        file.truncate(int(mib) << 20)
    run("mkfs.fat", *options, path)
    folder = path.parent / "files"
    folder.mkdir()
    for number in range(40):
        (folder / f"another file with a long name {number}").write_text("x")
    run("mcopy", "-i", path, *sorted(folder.iterdir()), "::")
    for number, name in enumerate(names):
        (folder / name).write_bytes(CONTENT + bytes([number]))
        run("mcopy", "-i", path, folder / name, f"::{name}")
    return path


def entries(path: Path) -> dict[bytes, int]:
    """Offset of the short entry of every image name."""
    data = path.read_bytes()
    names = [b"SYSTEM  " + suffix for suffix in (b"IMG", b"CUR", b"NEW", b"OLD")]
    return {name[8:]: data.index(name) for name in names if name in data}


def share(path: Path, name: bytes, other: bytes) -> None:
    """Give `other` the first cluster and size of `name`: what a cut rename leaves."""
    at = entries(path)
    with path.open("r+b") as file:
        file.seek(at[name] + 20)
        tail = file.read(12)
        file.seek(at[other] + 20)
        file.write(tail)


def unshare(path: Path, wanted: str = "") -> list[str]:
    code = (f'GENPACK_KMSG=/dev/stdout; . {DRACUT}/genpack-lib.sh; . {DRACUT}/genpack-fat.sh\n'
            'genpack_loud() { echo "$*"; }; genpack_fat_unshare "$1" "$2"')
    return run(SHELL, "-c", code, "sh", path, wanted).splitlines()


def listed(path: Path) -> set[str]:
    return {line.rsplit("/", 1)[1] for line in run("mdir", "-b", "-i", path, "::").splitlines() if "system." in line}


def check(path: Path) -> None:
    """fsck frees the clusters of the content that lost its name, and finds nothing else but what it leaves as it is."""
    subprocess.run(["fsck.fat", "-aw", str(path)], capture_output=True, check=False)
    assert subprocess.run(["fsck.fat", "-n", str(path)], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_later_name_is_dropped_and_the_content_survives_fsck(tmp_path: Path, kind: str) -> None:
    path = make(tmp_path / "fat", kind, ("system.img", "system.cur", "system.old"))
    share(path, b"IMG", b"CUR")
    assert unshare(path) == [
        f"an update was cut off: SYSTEM.CUR on {path} was another name of the same image and is dropped"]
    check(path)
    assert listed(path) == {"system.img", "system.old"}
    run("mcopy", "-i", path, "::system.img", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == CONTENT + b"\0"
    assert unshare(path) == []


def test_without_the_rule_fsck_would_harm_the_image(tmp_path: Path) -> None:
    path = make(tmp_path / "fat", "fat32", ("system.img", "system.cur"))
    share(path, b"IMG", b"CUR")
    before = path.read_bytes()
    subprocess.run(["fsck.fat", "-aw", str(path)], capture_output=True, check=False)
    run("mcopy", "-i", path, "::system.img", tmp_path / "img")
    run("mcopy", "-i", path, "::system.cur", tmp_path / "cur")
    sizes = {(tmp_path / name).stat().st_size for name in ("img", "cur")}
    assert 0 in sizes and path.read_bytes() != before


def test_the_name_that_is_booted_stays(tmp_path: Path) -> None:
    path = make(tmp_path / "fat", "fat32", ("system.img", "system.cur"))
    share(path, b"IMG", b"CUR")
    assert "SYSTEM.IMG" in unshare(path, "system.cur")[0]
    check(path)
    assert listed(path) == {"system.cur"}


def test_an_empty_name_does_not_win(tmp_path: Path) -> None:
    path = make(tmp_path / "fat", "fat16", ("system.img", "system.cur"))
    share(path, b"CUR", b"IMG")
    with path.open("r+b") as file:
        file.seek(entries(path)[b"IMG"] + 28)
        file.write(bytes(4))
    assert "SYSTEM.IMG" in unshare(path)[0]
    check(path)
    run("mcopy", "-i", path, "::system.cur", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == CONTENT + b"\1"


def test_nothing_is_written_when_nothing_is_shared(tmp_path: Path) -> None:
    path = make(tmp_path / "fat", "fat32", ("system.img", "system.cur", "system.new", "system.old"))
    before = path.read_bytes()
    assert unshare(path, "system.img") == []
    assert path.read_bytes() == before


def test_what_is_no_fat_is_left_alone(tmp_path: Path) -> None:
    for number, content in enumerate((b"", bytes(4096), os.urandom(4096), bytes(510) + b"\x55\xaa" + bytes(4096))):
        path = tmp_path / str(number)
        path.write_bytes(content)
        assert unshare(path) == []
        assert path.read_bytes() == content
