# SPDX-License-Identifier: MIT
"""`vm test`: what it makes of boots, commands and consoles, with a VM of the test's own; and JUnit's XML."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from conftest import FakeVm, Vm
from genpack_vm import cli, info, junit, launch, stopping, testing
from genpack_vm.errors import VmError, WaitTimeoutError
from servers import GuestAgent, server

Make = Callable[[str], FakeVm]
SH = "/bin/sh"


class Bed:
    """A VM whose guest agent, console and power-down are the test's."""

    def __init__(self, vm: FakeVm, tmp_path: Path) -> None:
        self.vm = vm
        self.console = b""
        self.junit = tmp_path / "junit.xml"
        self.programs: dict[str, tuple[int | None, bytes, bytes]] = {"systemctl": (0, b"running\n", b"")}
        self.agent = GuestAgent(self.programs)
        self.stopped: list[bool] = []
        self.power_down: VmError | None = None
        self.started: Any = None

    def detached(self, options: Any) -> info.VmInfo:
        self.started = options
        options.console_log.write_bytes(self.console)
        return self.vm.info

    def stop(self, options: stopping.StopOptions) -> None:
        self.stopped.append(options.force)
        if not options.force and self.power_down is not None:
            raise self.power_down

    def run(self, *arguments: str | Path) -> int:
        with server(self.vm.files.qga, self.agent.serve):
            return cli.execute(["test", "--junit", str(self.junit), *map(str, arguments)])

    def results(self) -> dict[str, str | None]:
        """Name of each case -> message of its failure."""
        found = {}
        for case in ElementTree.parse(self.junit).getroot():
            failure = case.find("failure")
            found[str(case.get("name"))] = None if failure is None else failure.get("message")
        return found


@pytest.fixture
def bed(fake_vm: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bed]:
    found = Bed(fake_vm("hello"), tmp_path)
    monkeypatch.setattr(launch, "detached", found.detached)
    monkeypatch.setattr(stopping, "stop", found.stop)
    monkeypatch.setattr(testing, "_PAUSE", 0.01)
    yield found


def test_good(bed: Bed, capfd: pytest.CaptureFixture[str]) -> None:
    bed.programs["prog"] = (0, b"out\xff\n", b"err\n")
    assert bed.run("-m", "512", "--append", "quiet", "image", "--", "prog", "--flag", "x y") == 0
    out, err = capfd.readouterr()
    assert out.startswith("out")
    assert "err\n" in err
    assert bed.results() == {"boot": None, "command prog": None, "power-down": None, "console": None}
    assert bed.agent.started[-1] == ("prog", ["--flag", "x y"], None)
    assert (bed.started.memory, bed.started.append, bed.started.ssh_forward) == (512, "quiet", False)
    assert bed.stopped[0] is False


def test_status_is_the_commands(bed: Bed) -> None:
    bed.programs["prog"] = (42, b"", b"")
    bed.console = b"Kernel panic - not syncing: in the end\r\n"
    assert bed.run("image", "--", "prog") == 42
    assert bed.results()["command prog"] == "exit status 42"


def test_script(bed: Bed, tmp_path: Path) -> None:
    script = tmp_path / "check.sh"
    script.write_bytes(b"#!/bin/sh\nexit 3\n")
    bed.programs[SH] = (3, b"", b"")
    assert bed.run("--script", script, "image") == 3
    assert bed.results()["script check.sh"] == "exit status 3"
    assert bed.agent.started[-1] == (SH, ["-c", testing._RUN_SCRIPT], script.read_bytes())


@pytest.mark.spawn
@pytest.mark.parametrize(
    ("script", "status", "out"),
    [
        (b"#!/usr/bin/python3\nimport sys\nprint('py'); sys.exit(9)\n", 9, b"py\n"),
        (b"echo plain; exit 4\n", 4, b"plain\n"),
        (b'#!/bin/sh\nrm "$0"; exit 0\n', 0, b""),
    ],
)
def test_how_a_script_runs(script: bytes, status: int, out: bytes, tmp_path: Path) -> None:
    """The line of shell that runs it in the guest, run here."""
    import subprocess

    argv = [SH, "-c", testing._RUN_SCRIPT]
    done = subprocess.run(argv, input=script, capture_output=True, check=False, env=os.environ | {"TMPDIR": tmp_path})
    assert (done.returncode, done.stdout) == (status, out)
    assert list(tmp_path.iterdir()) == []


def test_boot_alone(bed: Bed) -> None:
    assert bed.run("image") == 0
    assert list(bed.results()) == ["boot", "power-down", "console"]


@pytest.mark.parametrize(
    ("line", "options", "bad"),
    [
        ("[\x1b[0;1;31mFAILED\x1b[0m] Failed to start \x1b[0;1;39mx.service\x1b[0m.", [], True),
        ("BUG: unable to handle page fault", [], True),
        ("app: lost the database", [], False),
        ("app: lost the database", ["--fail-pattern", r"lost the \w+"], True),
        ("[FAILED] Failed to start x.service", ["--ignore-pattern", r"x\.service"], False),
        ("the service FAILED", [], False),
    ],
)
def test_patterns(bed: Bed, line: str, options: list[str], bad: bool) -> None:
    bed.console = f"good\r\n{line}\r\n".encode()
    bed.programs["true"] = (0, b"", b"")
    assert bed.run(*options, "image", "--", "true") == (125 if bad else 0)
    message = bed.results()["console"]
    assert (message is not None) == bad
    assert message == re.sub(r"\x1b\[[0-9;]*m", "", line) if bad else message is None


def test_a_panic_ends_the_wait(bed: Bed, capfd: pytest.CaptureFixture[str]) -> None:
    bed.programs["systemctl"] = (1, b"starting\n", b"")
    bed.console = b"[1.0] Kernel panic - not syncing: VFS\r\n"
    assert bed.run("--timeout", "200", "image", "--", "true") == 125
    assert "boot: the boot failed: [1.0] Kernel panic - not syncing: VFS" in capfd.readouterr().err
    assert list(bed.results()) == ["boot", "console"]
    assert bed.stopped == [True]


def test_a_unit_that_failed(bed: Bed) -> None:
    bed.programs["systemctl"] = (1, b"degraded\n", b"")
    assert bed.run("image") == 125
    assert str(bed.results()["boot"]).startswith("systemd is up, but units failed: ")
    bed.stopped.clear()
    assert bed.run("--for", "agent", "image") == 0


def test_time_runs_out(bed: Bed) -> None:
    bed.programs["systemctl"] = (1, b"starting\n", b"")
    assert bed.run("--timeout", "0.3", "image") == 124
    assert bed.results()["boot"] == "hello did not reach systemd in 0.3 s"
    bed.programs |= {"systemctl": (0, b"running\n", b""), "sleep": (None, b"", b"")}
    assert bed.run("--timeout", "0.5", "image", "--", "sleep", "9") == 124
    assert "sleep did not end in" in str(bed.results()["command sleep"])


def test_no_power_down(bed: Bed) -> None:
    bed.power_down = WaitTimeoutError("hello did not power down in 120 s")
    assert bed.run("image") == 124
    assert bed.results()["power-down"] == "hello did not power down in 120 s"
    assert bed.stopped == [False, True]


def test_the_vm_ends_at_an_interrupt(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(testing.guestexec, "run", interrupt)
    assert bed.run("image", "--", "true") == 130
    assert bed.stopped == [True]


def test_bad_input(bed: Bed, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    for arguments, message in (
        (["--script", empty, "image"], "--script: .*empty is empty"),
        (["--script", tmp_path / "none", "image"], "--script: cannot read .*No such file"),
        (["--script", empty, "image", "--", "true"], "--script and a command exclude each other"),
        (["--timeout", "0", "image"], "--timeout 0: it must be more"),
        (["--fail-pattern", "(", "image"], "--fail-pattern '\\(' is no regular expression"),
        (["--junit", tmp_path / "no" / "x.xml", "image"], "--junit: cannot write .*there is no folder"),
        (["--for", "ssh", "image"], "Invalid value for '--for'"),
    ):
        assert bed.run(*arguments) == 125, arguments
        (line,) = [x for x in capfd.readouterr().err.splitlines() if not x.startswith("tip: ")]
        assert re.search(message, line), line
    assert bed.started is None


@pytest.mark.qemu
def test_nothing_is_left_when_it_is_killed(vm: Vm, deaf_image: Path, tmp_path: Path) -> None:
    child = vm.start("test", "--timeout", "300", "--console-log", tmp_path / "log", deaf_image)
    up = vm.up("deaf")
    child.send_signal(signal.SIGKILL)
    child.wait()
    vm.until(lambda: info.start_ticks(up.pid) is None and vm("list", "-q").stdout == "")


@pytest.mark.qemu
def test_a_guest_without_an_agent(vm: Vm, stub_image: Path, tmp_path: Path) -> None:
    done = vm("test", "--timeout", "2", "--junit", tmp_path / "x.xml", stub_image, "--", "true")
    assert done.returncode == 124
    assert "vm: error: boot: stub did not reach systemd in 2 s" in done.stderr
    assert "STUB GUEST" in (tmp_path / "x.xml").read_text()
    assert [path.name for path in vm.root.iterdir() if not path.name.startswith(".")] == []


def test_junit(tmp_path: Path) -> None:
    cases = [
        junit.Case("good", 1.5, out="\x00\x1b<&>\ud800 ä"),
        junit.Case("bad", 0.25, failure="first\nsecond", err="e"),
    ]
    path = tmp_path / "x.xml"
    junit.write(path, "suite", cases)
    root = ElementTree.parse(path).getroot()
    counts = {key: root.get(key) for key in ("name", "tests", "failures", "errors", "skipped", "time")}
    assert counts == {
        "name": "suite", "tests": "2", "failures": "1", "errors": "0", "skipped": "0", "time": "1.750",
    }  # fmt: skip
    good, bad = root
    assert good.findtext("system-out") == "\ufffd\ufffd<&>\ufffd ä"
    failure = bad.find("failure")
    assert failure is not None
    assert (failure.get("message"), failure.text) == ("first", "first\nsecond")
    assert bad.findtext("system-err") == "e"
    with pytest.raises(VmError, match=r"cannot write .*none"):
        junit.write(tmp_path / "none" / "x.xml", "suite", cases)
