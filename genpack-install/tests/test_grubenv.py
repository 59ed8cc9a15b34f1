# SPDX-License-Identifier: MIT
"""GRUB's environment block, also against GRUB's own tool."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from genpack_install import grubenv
from genpack_install.generations import Env

pytestmark = pytest.mark.spawns


def edit(path: Path, *words: str) -> str:
    argv = ["grub-editenv", str(path), *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def test_grub_reads_it_and_we_read_grubs(tmp_path: Path) -> None:
    path = tmp_path / grubenv.NAME
    grubenv.write(tmp_path, Env(3, "abc"))
    assert path.stat().st_size == 1024
    assert edit(path, "list") == "new=abc\ntries=3\n"
    edit(path, "set", "tries=2", "other=x")
    edit(path, "unset", "new")
    assert grubenv.env(grubenv.read(tmp_path)) == Env(2, None)
    grubenv.write(tmp_path, Env())
    assert edit(path, "list") == "other=x\n"


def test_in_place_and_in_one_sector(tmp_path: Path) -> None:
    path = tmp_path / grubenv.NAME
    path.write_bytes(grubenv.block({}))
    inode, before = path.stat().st_ino, path.read_bytes()
    grubenv.write(tmp_path, Env(3, "a" * 32))
    assert path.stat().st_ino == inode
    assert path.read_bytes()[512:] == before[512:]


@pytest.mark.parametrize("data", [b"", b"x" * 1024, b"# GRUB Environment Block\n", b"\0" * 1024])
def test_what_is_none_counts_as_absent_and_is_replaced(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / grubenv.NAME
    path.write_bytes(data)
    assert grubenv.read(tmp_path) is None
    grubenv.write(tmp_path, Env(1))
    assert grubenv.read(tmp_path) == {"tries": "1"}


def test_a_value_that_is_none_counts_as_absent() -> None:
    assert grubenv.env({"tries": "many", "new": ""}) == Env()
    assert grubenv.env({"tries": "9"}) == Env()
    assert grubenv.env(None) == Env()


def test_variables_of_others_give_way_when_there_is_no_room(tmp_path: Path) -> None:
    path = tmp_path / grubenv.NAME
    path.write_bytes((b"# GRUB Environment Block\nlong=" + b"x" * 600 + b"\n").ljust(1024, b"#"))
    grubenv.write(tmp_path, Env(3))
    assert grubenv.read(tmp_path) == {"tries": "3"}
