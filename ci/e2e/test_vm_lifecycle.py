# SPDX-License-Identifier: MIT
"""The installed `vm` under stress: many at once, another user, a run directory that is full, a disk that shares blocks.

The guests do nothing; what needs root (a mount, another user) is why this is here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from harness.commands import Argument, Result, run
from harness.idle import idle_image
from harness.leftovers import processes_below

NOBODY = 65534
SMALL = ("--memory", "64", "--no-ssh-forward")
KIB = 1 << 10


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return idle_image(tmp_path_factory.mktemp("idle"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Short: a socket's path has 107 bytes."""
    folder = Path(f"/tmp/vm-e2e-{os.getpid()}")
    folder.mkdir()
    return folder


@pytest.fixture
def root(home: Path) -> Iterator[Path]:
    """A run root; in the end no process of it is left, and it is removed."""
    folder = home / "run"
    folder.mkdir()
    yield folder
    vm(folder, "stopall", "-f", "-w")
    try:
        assert processes_below(folder) == []
    finally:
        run("rm", "-rf", home)


def vm(root: Path, *words: Argument, timeout: float = 120) -> Result:
    return run("vm", *words, env={"VM_RUN_ROOT": str(root), "HOME": str(root.parent)}, timeout=timeout)


def left(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if not path.name.startswith("."))


def all_at_once(root: Path, commands: Sequence[Sequence[Argument]], timeout: float = 300) -> list[tuple[int, str]]:
    """(exit status, standard error) of `vm` commands that run at the same time."""
    env = {**os.environ, "VM_RUN_ROOT": str(root), "HOME": str(root.parent)}
    started = [
        subprocess.Popen(
            ["vm", *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        )
        for words in commands
    ]
    ends = [child.communicate(timeout=timeout)[1] for child in started]
    return [(child.returncode, err) for child, err in zip(started, ends, strict=True)]


@pytest.mark.parametrize("count", [4, pytest.param(20, marks=pytest.mark.full)])
def test_many_at_once(root: Path, idle: Path, count: int) -> None:
    """Started, listed, stopped, all in parallel: nothing is left of any, and none waits for another."""
    before = mounts_and_sockets()
    ends = all_at_once(root, [("run", "--detach", *SMALL, idle)] * count)
    assert [status for status, _ in ends] == [0] * count, ends
    names = vm(root, "list", "-q").ok().stdout.split()
    assert sorted(names) == sorted(["idle", *(f"idle-{n}" for n in range(2, count + 1))])
    shown = json.loads(vm(root, "list", "--format", "json").ok().stdout)["vms"]
    assert {entry["state"] for entry in shown} == {"running"}
    pids = [entry[key] for entry in shown for key in ("pid", "owner_pid")]
    ends = all_at_once(root, [("stop", "-f", "-w", name) for name in names])
    assert [status for status, _ in ends] == [0] * count, ends
    assert left(root) == []
    assert [pid for pid in pids if Path(f"/proc/{pid}/exe").exists()] == []
    assert mounts_and_sockets() == before


def mounts_and_sockets() -> tuple[str, list[str]]:
    """What a VM might leave in the kernel's tables."""
    sockets = [line for line in Path("/proc/net/unix").read_text().splitlines() if "/vm-e2e-" in line]
    return Path("/proc/self/mountinfo").read_text(), sockets


def as_nobody(*words: Argument, **env: str) -> Result:
    """`vm` as another user, who may also read what lies in root's home (the installed command), but write nothing."""
    user = ("--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
    capability = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")
    return run("setpriv", *user, *capability, "vm", *words, env={"VM_RUN_ROOT": "", **env})


def test_another_user(root: Path, idle: Path) -> None:
    """Each user has VMs of their own; one cannot see, stop or take the place of another's."""
    vm(root, "run", "--detach", *SMALL, "--name", "one", idle).ok()
    root.parent.chmod(0o755)
    image = shutil.copy(idle, root.parent / "idle.squashfs")
    own = root.parent / "user"
    own.mkdir(mode=0o700)
    os.chown(own, NOBODY, NOBODY)
    theirs = {"XDG_RUNTIME_DIR": str(own), "HOME": str(own)}
    assert as_nobody("list", "-q", **theirs).ok().stdout == ""
    stopped = as_nobody("stop", "one", **theirs)
    assert (stopped.status, stopped.error_lines("vm")) == (1, ["vm: error: no VM named 'one' is running"])
    as_nobody("run", "--detach", *SMALL, "--name", "one", image, **theirs).ok()
    listed = json.loads(as_nobody("show", "one", **theirs).ok().stdout)
    assert Path(f"/proc/{listed['pid']}").stat().st_uid == NOBODY
    assert vm(root, "list", "-q").ok().stdout == "one\n"
    as_nobody("stop", "-f", "-w", "one", **theirs).ok()
    # In the other's run directory there is nothing to be had.
    for words in (("list",), ("stop", "-f", "one"), ("run", *SMALL, "--name", "one", image)):
        refused = as_nobody(*words, HOME=str(own), VM_RUN_ROOT=str(root))
        assert refused.status == 1, str(refused)
        assert len(refused.error_lines("vm")) == 1 and "Permission denied" in refused.stderr, str(refused)
        assert "Traceback" not in refused.stderr
    assert vm(root, "list", "-q").ok().stdout == "one\n"


def test_no_runtime_directory() -> None:
    result = as_nobody("list", XDG_RUNTIME_DIR="", HOME="/")
    assert (result.status, result.error_lines("vm")) == (1, ["vm: error: XDG_RUNTIME_DIR is not set"])


@pytest.fixture
def full_root(root: Path) -> Iterator[Callable[[int], None]]:
    """A run root on a file system of its own; calling it leaves so many pages free there."""
    run("mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "vm-e2e", root).ok()
    page = os.sysconf("SC_PAGE_SIZE")

    def fill(pages: int) -> None:
        ballast = root / ".ballast"
        ballast.unlink(missing_ok=True)
        free = os.statvfs(root).f_bavail * os.statvfs(root).f_frsize // page
        with ballast.open("wb") as file:
            file.write(bytes(max(0, free - pages) * page))

    try:
        yield fill
    finally:
        vm(root, "stopall", "-f", "-w")
        run("umount", root).ok()


@pytest.mark.parametrize("detach", [True, False])
def test_full_run_directory(full_root: Callable[[int], None], root: Path, idle: Path, detach: bool) -> None:
    """From no page free to enough: a clear message and nothing left, or a VM."""
    seen = set()
    for pages in range(8):
        full_root(pages)
        options = ("--detach",) if detach else ("--timeout", "3")
        result = vm(root, "run", *options, *SMALL, idle)
        assert "Traceback" not in result.stderr, str(result)
        if result.status == 1:
            (line,) = result.error_lines("vm")
            assert "No space left on device" in line, str(result)
            assert left(root) == [], str(result)
            assert not [p for p in processes_below(root) if "qemu" in p], pages
        else:
            assert result.status == (0 if detach else 124), str(result)
            vm(root, "stopall", "-f", "-w").ok()
        seen.add(result.status)
    assert seen == {1, 0 if detach else 124}


def test_states_that_share_blocks(root: Path, tmp_path: Path) -> None:
    """On Btrfs: allocated without copy-on-write, saved without a copy, and what was there is back."""
    backing, mounted = tmp_path / "btrfs.img", tmp_path / "mnt"
    backing.touch()
    os.truncate(backing, 256 << 20)
    mounted.mkdir()
    run("mkfs.btrfs", "-q", backing).ok()
    run("mount", "-o", "loop", backing, mounted).ok()
    try:
        disk = mounted / "data.img"
        vm(root, "allocate", disk, "0.0625").ok()
        assert "C" in run("lsattr", disk).ok().stdout.split()[0]
        first, second = os.urandom(KIB) * (48 * KIB), os.urandom(KIB) * (48 * KIB)
        option = ("snapshot", "-d", disk, "web")
        for state, content in (("first", first), ("second", second)):
            with disk.open("r+b") as file:
                file.write(content)
                os.fsync(file.fileno())
            assert vm(root, *option, "save", state).ok().stdout == f"{state}\n"
        listed = json.loads(vm(root, *option, "list", "--format", "json").ok().stdout)
        assert [state["name"] for state in listed["states"]] == ["first", "second"]
        vm(root, *option, "revert", "first").ok()
        assert disk.read_bytes()[: len(first)] == first
        vm(root, *option, "revert", "second").ok()
        assert disk.read_bytes()[: len(second)] == second
        assert "C" in run("lsattr", disk).ok().stdout.split()[0]
        vm(root, *option, "delete", "first").ok()
        vm(root, *option, "delete", "second").ok()
        assert sorted(path.name for path in mounted.iterdir()) == ["data.img"]
    finally:
        run("umount", mounted).ok()
