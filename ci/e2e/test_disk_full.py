# SPDX-License-Identifier: MIT
"""A disk that is full in each phase: one error that names the folder, the old image stays, and with room it goes on."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness.commands import Result, run
from harness.leftovers import check_nothing_left
from harness.machine import Timing
from harness.toy import Mirror, Workspace, wait_until
from harness.webserver import serve

MIB = 1 << 20


@dataclass(frozen=True)
class Disk:
    """A tmpfs of its own size."""

    folder: Path

    def resize(self, size: int) -> None:
        run("mount", "-o", f"remount,size={size}", self.folder).ok()

    def used(self) -> int:
        info = os.statvfs(self.folder)
        return (info.f_blocks - info.f_bfree) * info.f_frsize

    def leave(self, size: int) -> None:
        """So many bytes free."""
        self.resize(self.used() + size)


@contextmanager
def disk(folder: Path, size: int) -> Iterator[Disk]:
    folder.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", f"size={size}", "genpack-test", folder).ok()
    try:
        yield Disk(folder)
    finally:
        run("umount", folder).ok()


def full(result: Result, folder: Path) -> str:
    """The one error line, which names the folder and what is free there."""
    assert result.status == 1, str(result)
    (line,) = result.error_lines("genpack")
    assert "the disk is full" in line, str(result)
    assert str(folder) in line, str(result)
    assert " free" in line, str(result)
    assert "\ntip: make room there" in result.stderr, str(result)
    assert "Traceback" not in result.output
    return line


def test_layers(toy_mirror: Mirror, build_cache: Path, tmp_path: Path, timing: Timing) -> None:
    """The work folder's disk is full: before stage3 is unpacked, in emerge, in a build script, at the lock."""
    start = time.monotonic()
    space = Workspace(tmp_path, toy_mirror, build_cache)
    space.define()
    with disk(space.work, 20 * MIB) as small:
        line = full(space.genpack("build"), space.work / "x86_64")
        assert "stage3" in line
        assert " takes " in line
        assert not (space.work / "x86_64/lower").exists()
        small.resize(4096 * MIB)
        process = space.start("lower")
        try:
            emerge_log = space.work / "x86_64/lower/var/log/emerge.log"
            wait_until(lambda: emerge_log.exists() or process.poll() is not None, "emerge runs", 240)
            small.leave(0)
            stderr = process.communicate(timeout=240)[1]
        finally:
            process.kill()
            process.wait()
        full(Result(("genpack", "lower"), process.returncode, "", stderr), space.work / "x86_64")
        small.resize(4096 * MIB)
        space.genpack("build").ok()
        image = space.image.read_bytes()
        space.write("build.d/10-large.sh", "head -c 600000000 /dev/zero > /large && rm /large\n")
        small.leave(64 * MIB)
        line = full(space.genpack("build"), space.work / "x86_64")
        assert "upper: build scripts" in line
        assert space.image.read_bytes() == image
        (space.artifact / "files/build.d/10-large.sh").unlink()
        subprocess.run(["rm", "-rf", space.work / "x86_64/upper"], check=True)
        small.leave(0)
        full(space.genpack("build"), space.work / "x86_64")
        assert space.image.read_bytes() == image
        small.resize(4096 * MIB)
        space.genpack("build").ok()
        assert space.image.read_bytes() == image
        check_nothing_left(space.artifact)
    timing.add("disk full below the work folder", time.monotonic() - start)


def test_image(toy: Workspace, timing: Timing) -> None:
    """The output folder's disk is full."""
    start = time.monotonic()
    toy.define()
    toy.genpack("build").ok()
    with disk(toy.base / "small", 8 * MIB) as small:
        words = list(toy.argv("build"))
        words[words.index("--output-dir") + 1] = str(small.folder)
        run(*words, timeout=240, env=toy.env).ok()
        before = {path.name: path.read_bytes() for path in small.folder.iterdir()}
        large = toy.artifact / "files/large"
        large.parent.mkdir(exist_ok=True)
        large.write_bytes(os.urandom(16 * MIB))
        try:
            full(run(*words, timeout=240, env=toy.env), small.folder)
            assert {path.name: path.read_bytes() for path in small.folder.iterdir()} == before
            small.resize(64 * MIB)
            run(*words, timeout=240, env=toy.env).ok()
            assert (small.folder / toy.image.name).stat().st_size > 16 * MIB
        finally:
            large.unlink()
    timing.add("disk full in the output folder", time.monotonic() - start)


def test_cache(toy_mirror: Mirror, tmp_path: Path) -> None:
    """The cache's disk is full while stage3 is fetched; what is there is not fetched again."""
    with serve(toy_mirror.folder) as web, disk(tmp_path / "cache", 30 * MIB) as small:
        space = Workspace(tmp_path, toy_mirror, small.folder)
        space.define()
        words = list(space.argv("lock"))
        words[words.index("--mirror") + 1] = web.url
        result = run(*words, timeout=240, env=space.env)
        line = full(result, small.folder)
        assert "stage3" in line
        assert not (space.artifact / "genpack.lock").exists()
        assert not list(small.folder.rglob("files/*/stage3*"))
        small.resize(1024 * MIB)
        run(*words, timeout=240, env=space.env).ok()


@pytest.fixture(autouse=True)
def _unmounted(tmp_path: Path) -> Iterator[None]:
    """Nothing of it stays mounted."""
    yield
    check_nothing_left(tmp_path)
