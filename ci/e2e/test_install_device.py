# SPDX-License-Identifier: MIT
"""genpack-install writes a real block device, a loop device, and refuses it while it is in use."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.commands import Result, run

GIB = 1 << 30
Install = Callable[..., Result]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Names of all that is looked for, without content: it is never started."""
    folder = tmp_path_factory.mktemp("image")
    for name in (".genpack/artifact", "boot/kernel", "boot/initramfs"):
        (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "tree" / name).write_text("x")
    run("mksquashfs", folder / "tree", folder / "image", "-quiet", "-no-progress").ok()
    return folder / "image"


@pytest.fixture(scope="module")
def loaders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loaders")
    run("genpack-install", "build-bootloaders", "--output", folder).ok()
    return folder


@pytest.fixture
def backing(tmp_path: Path) -> Path:
    """A sparse file with old data at both ends, where signatures lie."""
    path = tmp_path / "backing"
    with path.open("wb") as file:
        file.write(b"old" * 100_000)
        file.truncate(7 * GIB)
        file.seek(-300_000, 2)
        file.write(b"old" * 100_000)
    return path


@pytest.fixture
def device(backing: Path) -> Iterator[str]:
    name = run("losetup", "--find", "--show", backing).ok().stdout.strip()
    run("blockdev", "--setrw", name).ok()  # whatever the one before has left
    yield name
    run("losetup", "--detach", name).ok()


@pytest.fixture
def install(image: Path, loaders: Path) -> Install:
    def call(*words: str | Path) -> Result:
        return run("genpack-install", *words, "--bootloaders", loaders, "-y", image)

    return call


def test_a_disk_is_written(install: Install, device: str, tmp_path: Path) -> None:
    done = install("--disk", device).ok()
    assert f"everything on {device} will be lost" in done.stderr
    table = json.loads(run("sfdisk", "--json", device).ok().stdout)["partitiontable"]
    assert table["label"] == "dos" and table["partitions"][0]["size"] * 512 == 4 * GIB
    assert "No errors detected" in run("sfdisk", "--verify", device).ok().output
    offsets = [part["start"] * 512 for part in table["partitions"]]
    kinds = [run("blkid", "-p", "-O", str(offset), "-s", "TYPE", "-o", "value", device).ok().stdout.strip()
             for offset in offsets]  # fmt: skip
    assert kinds == ["vfat", "btrfs"]
    assert "::/system.img" in run("mdir", "-b", "-i", f"{device}@@{offsets[0]}", "::/").ok().stdout


def test_a_mounted_device_is_refused(install: Install, device: str, backing: Path, tmp_path: Path) -> None:
    run("mkfs.ext4", "-q", device).ok()
    place = tmp_path / "mounted"
    place.mkdir()
    run("mount", device, place).ok()
    try:
        before = backing.stat().st_mtime_ns
        done = install("--disk", device)
        assert done.status == 2 and f"{device} can't be installed to: {device} is mounted on {place}" in done.stderr
        assert backing.stat().st_mtime_ns == before
        assert f"{device} is mounted on {place}" in run("genpack-install", "--disk", "list").ok().stdout
    finally:
        run("umount", place).ok()


def test_a_device_that_is_held_is_refused(install: Install, device: str) -> None:
    """As the kernel's own users hold it: opened exclusively."""
    script = "import os,sys; os.open(sys.argv[1], os.O_RDWR | os.O_EXCL); print(flush=True); input()"
    argv = ["/usr/bin/python3", "-c", script, device]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        done = install("--disk", device)
        holder.communicate("\n")
    assert done.status == 2 and f"{device} can't be written to: Device or resource busy" in done.stderr


def test_a_read_only_device_is_refused(install: Install, device: str) -> None:
    run("blockdev", "--setro", device).ok()
    try:
        done = install("--disk", device)
        assert done.status == 2 and f"{device} can't be installed to: it is read-only" in done.stderr
    finally:
        run("blockdev", "--setrw", device).ok()


def test_a_device_that_is_too_small_is_refused(install: Install, device: str, backing: Path) -> None:
    with backing.open("r+b") as file:
        file.truncate(5 * GIB)
    run("losetup", "--set-capacity", device).ok()
    done = install("--disk", device)
    assert done.status == 2 and f"{device} has 5.0 GiB: 6.0 GiB are needed for this image" in done.stderr
    with backing.open("rb") as file:
        assert file.read(300_000) == b"old" * 100_000
    assert "--size is for disk files" in install("--disk", device, "--size", "1G").stderr
