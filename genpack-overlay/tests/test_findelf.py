# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROGS

PROGRAM = [sys.executable, str(PROGS / "bin/findelf")]


def findelf(*argv: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*PROGRAM, *map(str, argv)], cwd=cwd, capture_output=True, check=False)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Real programs beside what looks like one."""
    tree = tmp_path / "tree"
    (tree / "lib/deep").mkdir(parents=True)
    shutil.copy(os.path.realpath("/bin/sh"), tree / "sh")
    shutil.copy(os.path.realpath("/bin/cat"), tree / "lib/deep/a\nb")
    (tree / "lib/data").write_bytes(b"\x7fELF")  # an ELF file that was cut is one still
    (tree / "script").write_text("#!/bin/sh\n")
    (tree / "empty").touch()
    (tree / "link").symlink_to("sh")
    (tree / "folder").symlink_to("lib")
    (tree / "gone").symlink_to("nowhere")
    os.mkfifo(tree / "fifo")  # reading it would never end
    return tree


def test_a_tree(tree: Path) -> None:
    done = findelf(tree)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == f"{tree}/lib/data\n{tree}/lib/deep/a\nb\n{tree}/sh\n"
    assert findelf("--null", tree).stdout.decode().split("\0") == [
        f"{tree}/lib/data", f"{tree}/lib/deep/a\nb", f"{tree}/sh", ""]


def test_paths(tree: Path) -> None:
    assert findelf(cwd=tree / "lib/deep").stdout == b"./a\nb\n"
    assert findelf("script", "sh", "link", "fifo", cwd=tree).stdout == b"sh\nlink\n"


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    shutil.copy("/bin/cat", os.fsencode(tmp_path) + b"/\xff")
    assert findelf(tmp_path).stdout == os.fsencode(tmp_path) + b"/\xff\n"


def test_what_is_not_there_is_an_error(tree: Path) -> None:
    done = findelf(tree / "absent")
    assert (done.returncode, done.stderr.decode()) == (
        1, f"findelf: error: {tree}/absent: No such file or directory\n")
    done = findelf(tree / "gone")
    assert done.returncode == 1 and b"Traceback" not in done.stderr
