# SPDX-License-Identifier: MIT
"""`genpack archive`: what is in it, and that the same definition gives the same bytes."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest
from conftest import Run

FILES = {
    "genpack.json5": "{name: 'x', env: {'a/b': 'special'}}",
    "genpack.lock": "version = 1\n",
    "env/special": "CFLAGS=-O3\n",
    "files/etc/motd": "hello\n",
    "files/build.d/10-x": "#!/bin/sh\n",
    "work/x86_64/lower/secret": "",
    "x-x86_64.squashfs": "",
    "notes.txt": "",
}


def make(folder: Path, mask: int, time: int) -> Path:
    before = os.umask(mask)
    try:
        for name in FILES if time % 2 else reversed(FILES):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(FILES[name])
        (folder / "files/link").symlink_to("etc/motd")
        (folder / "files/empty").mkdir()
    finally:
        os.umask(before)
    # Below files/ permissions are the image's.
    for path in (folder / "files").rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.name == "10-x" else 0o600)
    for path in folder.rglob("*"):
        os.utime(path, (time, time), follow_symlinks=False)
    return folder


def test_the_same_bytes(genpack: Run, tmp_path: Path) -> None:
    one, two = make(tmp_path / "one", 0o022, 1700000001), make(tmp_path / "deep/two", 0o077, 1600000000)
    status, out, _ = genpack("-C", one, "archive")
    assert (status, out) == (0, f"{one}/genpack-x.tar.gz\n")
    before = os.umask(0o077)
    try:
        assert genpack("-C", two, "archive", "-o", tmp_path / "sub/other.tgz")[0] == 0
    finally:
        os.umask(before)
    assert (one / "genpack-x.tar.gz").read_bytes() == (tmp_path / "sub/other.tgz").read_bytes()
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "sub", tmp_path / "sub/other.tgz")]
    assert modes == [0o755, 0o644]  # whatever the caller's umask
    # Again: the archive itself is not part of it.
    content = (one / "genpack-x.tar.gz").read_bytes()
    assert genpack("-C", one, "archive")[0] == 0
    assert (one / "genpack-x.tar.gz").read_bytes() == content
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["other.tgz"]
    (two / "files/etc/motd").write_text("bye\n")
    genpack("-C", two, "archive", "-o", tmp_path / "sub/other.tgz")
    assert (tmp_path / "sub/other.tgz").read_bytes() != content


def test_content(genpack: Run, tmp_path: Path) -> None:
    folder = make(tmp_path / "one", 0o027, 1700000001)
    genpack("-C", folder, "archive")
    with tarfile.open(folder / "genpack-x.tar.gz") as tar:
        members = {member.name: member for member in tar.getmembers()}
        found = tar.extractfile("genpack-x/files/etc/motd")
        assert found is not None
        assert found.read() == b"hello\n"
    assert list(members) == sorted(members)
    assert set(members) == {
        "genpack-x", "genpack-x/env", "genpack-x/env/special", "genpack-x/files", "genpack-x/files/build.d",
        "genpack-x/files/build.d/10-x", "genpack-x/files/empty", "genpack-x/files/etc", "genpack-x/files/etc/motd",
        "genpack-x/files/link", "genpack-x/genpack.json5", "genpack-x/genpack.lock",
    }  # fmt: skip
    assert members["genpack-x/files/link"].linkname == "etc/motd"
    assert members["genpack-x/files/etc/motd"].mode == 0o600
    assert members["genpack-x/env/special"].mode == 0o644
    for member in members.values():
        assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")
    header = (folder / "genpack-x.tar.gz").read_bytes()[:10]
    assert header[3] == 0  # no flags: no name
    assert header[4:8] == bytes(4)  # no time


@pytest.mark.parametrize("bad", ["fifo", "definition", "folder"])
def test_what_can_t_be_archived_leaves_nothing(genpack: Run, tmp_path: Path, bad: str) -> None:
    folder = make(tmp_path / "one", 0o022, 1700000001)
    words = []
    if bad == "fifo":
        os.mkfifo(folder / "files/pipe")
    elif bad == "definition":
        (folder / "genpack.json5").write_text("{nmae: 'x'}")
    else:
        words = ["-o", str(tmp_path)]
    status, out, err = genpack("-C", folder, "archive", *words)
    assert (status, out) == (2, "")
    assert "genpack: error: " in err
    assert not list(folder.glob("*.gz")) + list(folder.glob(".*.tmp"))
