# SPDX-License-Identifier: MIT
"""Copy-up on an ordinary tree, and, where this machine lets us, on a real overlay."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from genpack_progs import copyup
from genpack_progs.tree import Tree


def all_paths(root: Path) -> list[str]:
    return ["/" + path.relative_to(root).as_posix() for path in root.rglob("*")]


def copy(root: Path, paths: list[str]) -> tuple[copyup.Plan, list[int]]:
    tree = Tree(root)
    work = copyup.plan(tree, paths)
    seen: list[int] = []
    copyup.execute(tree, work, seen.append)
    return work, seen


def test_plan_leaves_out_what_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("12345")
    work = copyup.plan(Tree(tmp_path), ["/file", "/gone", "/file/below", "/file"])
    assert [e.path for e in work.files] == ["/file"]
    assert (work.total, work.bytes) == (1, 5)


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    for i in range(200):
        (tmp_path / f"{i}").write_text("x")
    (tmp_path / "folder").mkdir()
    work, seen = copy(tmp_path, all_paths(tmp_path))
    assert seen == sorted(seen) and seen[-1] == work.total == 201


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[tuple[Path, Path, Path]]:
    """(lower, upper, merged) of a mounted overlay."""
    if os.geteuid() != 0:
        pytest.skip("mounting an overlay needs root")
    lower, upper, work, merged = (tmp_path / name for name in ("lower", "upper", "work", "merged"))
    for folder in (lower, upper, work, merged):
        folder.mkdir()
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    # A tmpfs may not be an upper layer everywhere, nor the file system that the test runs on.
    mount = ["mount", "-t", "overlay", "overlay", "-o", options, str(merged)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine can't mount an overlay here")
    try:
        yield lower, upper, merged
    finally:
        subprocess.run(["umount", str(merged)], check=True)


def test_real_copy_up(overlay: tuple[Path, Path, Path]) -> None:
    lower, upper, merged = overlay
    (lower / "usr/bin").mkdir(parents=True)
    program = lower / "usr/bin/program"
    program.write_bytes(b"#!/bin/sh\n" * 1000)
    program.chmod(0o4755)
    os.utime(program, ns=(1_000_000_001, 2_000_000_002))
    capable = lower / "usr/bin/capable"
    capable.write_text("x")
    has_setcap = shutil.which("setcap") is not None
    if has_setcap:
        subprocess.run(["setcap", "cap_net_raw+ep", str(capable)], check=True)
    (lower / "usr/bin/link").symlink_to("program")
    (lower / "usr/bin/other-name").hardlink_to(capable)
    (lower / "usr/bin/removed").write_text("x")
    (lower / "usr/bin/unwanted").write_text("x")
    os.utime(lower / "usr/bin", ns=(3_000_000_003, 4_000_000_004))

    (merged / "usr/bin/removed").unlink()
    os.utime(merged / "usr/bin", ns=(3_000_000_003, 4_000_000_004))
    paths = ["/usr", "/usr/bin"] + [f"/usr/bin/{n}" for n in ("program", "capable", "other-name", "link", "removed")]
    work, _ = copy(merged, paths)

    assert work.total == 6
    done = (upper / "usr/bin/program").stat()
    assert done.st_mode & 0o7777 == 0o4755
    assert done.st_mtime_ns == 2_000_000_002
    assert (upper / "usr/bin/program").read_bytes() == program.read_bytes()
    assert (upper / "usr/bin/link").readlink() == Path("program")
    assert (upper / "usr/bin/capable").stat().st_nlink == 2
    assert (upper / "usr/bin/other-name").samefile(upper / "usr/bin/capable")
    if has_setcap:
        getcap = ["getcap", str(upper / "usr/bin/other-name")]
        shown = subprocess.run(getcap, capture_output=True, text=True, check=True)
        assert "cap_net_raw" in shown.stdout
    assert (upper / "usr/bin").stat().st_mtime_ns == 4_000_000_004
    assert not (upper / "usr/bin/unwanted").exists()
    assert (upper / "usr/bin/removed").stat().st_rdev == 0  # still a whiteout
    assert sorted(p.name for p in (merged / "usr/bin").iterdir()) == [
        "capable", "link", "other-name", "program", "unwanted"]
