# SPDX-License-Identifier: MIT
"""Two builds from nothing give the same bytes: image, SBOM, manifest, sums."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.commands import Argument, run
from harness.differences import differences
from harness.machine import Timing
from harness.toy import BUILD_LIMIT, Mirror, Workspace

REPO = Path(__file__).resolve().parents[2]
#: One processor, another host name and umask than the test run has; the rest is in the environment.
ELSEWHERE = 'umask 077; hostname elsewhere; exec "$@"'
ELSEWHERE_ENV = {"TZ": "Asia/Tokyo", "LANG": "de_DE.UTF-8", "LC_ALL": "C", "HOME": "/nowhere"}


def elsewhere(*words: Argument) -> tuple[Argument, ...]:
    processor = min(os.sched_getaffinity(0))
    return ("taskset", "-c", str(processor), "unshare", "--uts", "sh", "-c", ELSEWHERE, "sh", *words)


def check_same(one: Path, two: Path, scratch: Path) -> None:
    """Every file that a build left is the same in both folders."""
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted(path.name for path in two.iterdir())
    (image,) = (name for name in names if name.endswith(".squashfs"))
    assert differences(one / image, two / image, scratch) == []
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    assert {name.partition(".")[2] for name in names} == {"", "manifest.json", "spdx.json", "squashfs"}


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A folder for lower layers, which are large: gone afterwards."""
    yield tmp_path
    run("rm", "-rf", tmp_path)


def test_toy(toy_mirror: Mirror, scratch: Path, timing: Timing) -> None:
    """In different folders, one after the other, on all processors and on one; each compiles its packages itself."""
    keys = {
        "users": ["toy"],
        "groups": [{"name": "toys", "gid": 4711}],
        "setup_commands": ["date > /etc/no-date; : > /etc/no-date"],
    }
    spaces = [
        Workspace(scratch / name, toy_mirror, scratch / f"cache-{index}")
        for index, name in enumerate(("a", "b/longer"))
    ]
    start = time.monotonic()
    for index, space in enumerate(spaces):
        space.define(**keys)
        space.write("etc/toy.conf", "x\n")
        space.write("build.d/10-x.sh", "mkdir -p /srv/toy/b /srv/toy/a\nln -s toy.conf /etc/toy-link\n")
        if index:
            argv = elsewhere(*space.argv("build"))
            run(*argv, timeout=BUILD_LIMIT, env={**space.env, **ELSEWHERE_ENV}).ok()
        else:
            space.genpack("build").ok()
    timing.add("build toy twice from nothing", time.monotonic() - start)
    check_same(spaces[0].images, spaces[1].images, scratch / "unpacked")
    # The second build compiled anew: it shares nothing with the first.
    assert all(list(space.cache.rglob("*.gpkg.tar")) for space in spaces)


@pytest.mark.full
def test_hello(mirror: Mirror, scratch: Path, timing: Timing) -> None:
    """Twice from source with caches of their own, once more from the binary packages that this made."""
    source = REPO / "genpack-artifacts" / "hello"
    folders = []
    for name, cache in (("a", "one"), ("b/longer", "two"), ("c", "one")):
        base = scratch / name
        shutil.copytree(source, base / "hello", symlinks=True)
        places = ("--work-dir", base / "work", "--output-dir", base / "images")
        argv: tuple[Argument, ...] = ("genpack", "-C", base / "hello", *mirror.options(), *places, "build")
        env = {"XDG_CACHE_HOME": str(scratch / cache), "XDG_CONFIG_HOME": str(base / "config")}
        start = time.monotonic()
        other = name != "a"
        run(*(elsewhere(*argv) if other else argv), timeout=2400, env={**env, **(ELSEWHERE_ENV if other else {})}).ok()
        timing.add(f"build hello, {name}", time.monotonic() - start)
        run("rm", "-rf", base / "work")
        folders.append(base / "images")
    for number, folder in enumerate(folders[1:]):
        check_same(folders[0], folder, scratch / f"unpacked{number}")


def test_differences_are_named(tmp_path: Path) -> None:
    images = []
    for name in ("one", "two"):
        tree = tmp_path / name
        tree.mkdir()
        for file in ("same", "content", "time", "mode", "link"):
            (tree / file).write_text("x")
            os.utime(tree / file, (5, 5))
        if name == "two":
            (tree / "content").write_text("y")
            os.utime(tree / "content", (5, 5))
            os.utime(tree / "time", (6, 6))
            (tree / "mode").chmod(0o4755)
            (tree / "more").write_text("")
            (tree / "link").unlink()
            (tree / "link").symlink_to("same")
        os.utime(tree, (5, 5))
        images.append(tmp_path / f"{name}.squashfs")
        run("mksquashfs", tree, images[-1], "-quiet", "-no-progress", "-all-root", "-mkfs-time", "5").ok()
    assert differences(images[0], images[0], tmp_path / "unpacked") == []
    lines = differences(images[0], images[1], tmp_path / "unpacked")
    assert [line.split(":")[0] for line in lines] == ["content", "link", "mode", "more", "time"]
    assert lines[0].startswith("content: content ")
    assert lines[2] == "mode: mode -rw-r--r-- / -rwsr-xr-x"
    assert lines[3] == "more: only in the second image"
    assert lines[4] == "time: time 5 / 6"
