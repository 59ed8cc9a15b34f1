# SPDX-License-Identifier: MIT
"""Fixtures: a run root of the test's own, images, fake programs on PATH, a VM that is only files, the real command."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import guest
import pytest
from genpack_vm import info, rundir

FORMATS = Path(__file__).resolve().parents[2] / "ci" / "formats"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "spawn: the test may start programs")
    config.addinivalue_line("markers", "qemu: the test starts a real QEMU")


@pytest.fixture(autouse=True)
def no_spawn_by_accident(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = {mark.name for mark in request.node.iter_markers()} & {"spawn", "qemu"}
    needs = {"image", "make_image", "vm", "stub_image", "deaf_image"} & set(request.fixturenames)
    if not allowed and not needs:

        def refuse(*args: object, **kwargs: object) -> None:
            raise AssertionError(f"the test starts a program: {args}")

        monkeypatch.setattr(subprocess, "Popen", refuse)


@pytest.fixture
def run_root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short path: socket addresses have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="vmt-") as folder:
        monkeypatch.setenv("VM_RUN_ROOT", folder)
        yield Path(folder)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.delenv("VM_ACCEL", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    return folder


@pytest.fixture(scope="session")
def make_image(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A SquashFS of {path: bytes, or str for a symlink}; more arguments go to mksquashfs."""

    def make(files: dict[str, bytes | str], *arguments: str) -> Path:
        top = tmp_path_factory.mktemp("image")
        tree = top / "tree"
        for name, content in files.items():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                path.symlink_to(content)
            else:
                path.write_bytes(content)
        return pack(tree, top / "image.squashfs", *arguments)

    return make


def pack(tree: Path, target: Path, *arguments: str) -> Path:
    command = ["mksquashfs", str(tree), str(target), "-noappend", "-quiet", "-no-progress", "-processors", "1"]
    subprocess.run([*command, *arguments], check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return target


@pytest.fixture(scope="session")
def stub_image(make_image: Callable[..., Path]) -> Path:
    """Boots, prints STUB GUEST, powers off at the power button."""
    return make_image(
        {
            "boot/vmlinuz-1": guest.kernel(),
            "boot/kernel": "vmlinuz-1",
            "boot/initramfs-1.img": b"not read by this guest",
            ".genpack/artifact": b"stub\n",
        }
    )


@pytest.fixture(scope="session")
def deaf_image(make_image: Callable[..., Path]) -> Path:
    """The same, but it ignores the power button."""
    return make_image({"boot/kernel": guest.kernel(deaf=True), ".genpack/artifact": b"deaf"})


@pytest.fixture
def fake_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Put a shell script on PATH in front of the rest; its folder is returned."""
    folder = tmp_path / "fake-bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def make(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return folder

    return make


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if "emulating the CPU" not in line and not line.startswith("tip: ")]


def check(done: tuple[int, str, str], root: Path, message: str, status: int) -> None:
    """One error line, the status, and nothing left behind."""
    found, out, err = done
    assert found == status, err
    assert out == ""
    (line,) = lines(err)
    assert line.startswith("vm: error: ")
    assert re.search(message, line), line
    assert [p for p in root.iterdir() if p.name != ".lock"] == []


class FakeVm:
    """A VM that is only a locked run directory; its "QEMU" is this process."""

    def __init__(self, top: Path, name: str) -> None:
        claimed = rundir.claim(top, name)
        assert claimed is not None
        self.claim = claimed
        self.files = claimed.files
        ticks = info.start_ticks(os.getpid())
        assert ticks is not None
        self.info = info.VmInfo(
            name=name,
            pid=os.getpid(),
            start_ticks=ticks,
            owner_pid=os.getpid(),
            owner_ticks=ticks,
            started="2026-01-02T03:04:05+00:00",
            image="/images/hello.squashfs",
            arch="x86_64",
            accel="tcg",
            memory=2048,
            cpus=1,
            mac="52:54:00:00:00:00",
            cid=None,
            detached=True,
            data_file=None,
            console_log=None,
            ports=(info.Port("tcp", "127.0.0.1", 2222, 22),),
            sockets={},
        )

    def write(self, **changes: object) -> None:
        self.info = replace(self.info, **changes)  # type: ignore[arg-type]  # any field may change
        info.write_json(self.files.info, self.info.to_json())


@pytest.fixture
def fake_vm(run_root: Path) -> Iterator[Callable[[str], FakeVm]]:
    made: list[FakeVm] = []

    def make(name: str) -> FakeVm:
        vm = FakeVm(run_root, name)
        made.append(vm)
        vm.files.qmp.touch()
        vm.write()
        return vm

    yield make
    for vm in made:
        vm.claim.release()


class Vm:
    """The real command, in a process of its own."""

    def __init__(self, run_root: Path) -> None:
        self.root = run_root
        self.started: list[subprocess.Popen[str]] = []

    @staticmethod
    def argv(*arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "genpack_vm", *map(str, arguments)]

    def __call__(self, *arguments: str | Path, timeout: float = 30) -> subprocess.CompletedProcess[str]:
        command = self.argv(*arguments)
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )

    def start(self, *arguments: str | Path, stdout: int | BinaryIO = subprocess.PIPE) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            self.argv(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(child)
        return child

    def until(self, what: Callable[[], bool], seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, "it did not come"
            time.sleep(0.02)

    def up(self, name: str) -> info.VmInfo:
        self.until(lambda: (self.root / name / "vm.json").exists())
        return info.parse((self.root / name / "vm.json").read_text())


@pytest.fixture
def vm(run_root: Path, home: Path) -> Iterator[Vm]:
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("qemu-system-x86_64 is not installed")
    command = Vm(run_root)
    yield command
    for child in command.started:
        if child.poll() is None:
            child.kill()
        child.communicate()
    names = rundir.living(run_root)
    for name in names:
        command("stop", "-f", name)
    assert rundir.living(run_root) == []


class Tty:
    """`vm run` on a terminal."""

    def __init__(self, *arguments: str | Path) -> None:
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.text = ""

        def own_terminal() -> None:
            import fcntl

            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.child = subprocess.Popen(
            Vm.argv(*arguments),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=own_terminal,  # a controlling terminal needs it
        )

    def until(self, text: str) -> None:
        end = time.monotonic() + 20
        while text not in self.text:
            assert time.monotonic() < end, self.text
            if select.select([self.master], [], [], 0.1)[0]:
                self.text += os.read(self.master, 4096).decode(errors="replace")

    def type(self, text: bytes) -> None:
        os.write(self.master, text)

    def close(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def tty(vm: Vm) -> Iterator[Callable[..., Tty]]:
    made: list[Tty] = []

    def make(*arguments: str | Path) -> Tty:
        made.append(Tty(*arguments))
        return made[-1]

    yield make
    for each in made:
        each.close()
