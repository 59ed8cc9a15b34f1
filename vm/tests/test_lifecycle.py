# SPDX-License-Identifier: MIT
"""Starts, ends and what is left after them, with a real QEMU: options on a VM's life, and every way to be killed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from conftest import Vm, check
from genpack_vm import cli, info, rundir

pytestmark = pytest.mark.qemu


def left(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if not path.name.startswith("."))


def gone(pid: int) -> bool:
    return info.start_ticks(pid) is None


def test_two_starts_of_one_name(vm: Vm, stub_image: Path) -> None:
    """One of many at once gets it; the others say so, and touch nothing of it."""
    many = [vm.start("run", "--detach", "--name", "one", stub_image) for _ in range(4)]
    ends = [(child.communicate(timeout=120), child.returncode) for child in many]
    assert sorted(status for _, status in ends) == [0, 1, 1, 1]
    for (_, err), status in ends:
        assert ("a VM named one is already running" in err) == (status == 1), err
    assert vm("list", "-q").stdout == "one\n"
    assert vm("stop", "-w", "one").returncode == 0
    assert left(vm.root) == []


def test_names_without_a_name(vm: Vm, stub_image: Path) -> None:
    """Four starts at once of one image get four names; all end together, and nothing is left."""
    many = [vm.start("run", "--detach", stub_image) for _ in range(4)]
    assert [child.wait(120) for child in many] == [0] * 4
    names = vm("list", "-q").stdout.split()
    assert names == ["stub", "stub-2", "stub-3", "stub-4"]
    pids = [vm.up(name).pid for name in names]
    assert vm("stopall", "-w", timeout=200).returncode == 0
    assert left(vm.root) == []
    vm.until(lambda: all(gone(pid) for pid in pids))


@pytest.mark.parametrize("detach", [False, True])
def test_qemu_is_killed(vm: Vm, stub_image: Path, detach: bool) -> None:
    child = vm.start("run", *(["--detach"] if detach else []), stub_image)
    up = vm.up("stub")
    if detach:
        assert child.wait(60) == 0
    os.kill(up.pid, signal.SIGKILL)
    if detach:
        done = vm("wait", "--for", "shutdown", "stub")
        assert done.returncode == 1
        assert "stub ended badly: QEMU of stub was killed by SIGKILL" in done.stderr
    else:
        _, err = child.communicate(timeout=60)
        assert child.returncode == 1
        assert "QEMU of stub was killed by SIGKILL" in err
    vm.until(lambda: left(vm.root) == [] and gone(up.owner_pid))


def test_what_a_killed_one_left(vm: Vm, stub_image: Path) -> None:
    """A new VM of that name starts at once; the old sockets and keys are not its."""
    assert vm("run", "--detach", stub_image).returncode == 0
    up = vm.up("stub")
    (vm.root / "stub" / "known_hosts").write_text("old")
    os.kill(up.owner_pid, signal.SIGKILL)
    vm.until(lambda: gone(up.pid) and gone(up.owner_pid))
    vm.until(lambda: vm("run", "--detach", "--name", "stub", stub_image).returncode == 0)
    assert not (vm.root / "stub" / "known_hosts").exists()
    assert vm.up("stub").pid != up.pid
    assert vm("stop", "-f", "stub").returncode == 0


def test_no_place_for_the_log_of_a_detached_vm(
    vm: Vm, stub_image: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line, and the name is free again. ci/e2e fills a real file system."""
    monkeypatch.setattr(rundir.Files, "owner_log", property(lambda files: files.folder / "none" / "vm.log"))
    found = cli.execute(["run", "--detach", str(stub_image)])
    check((found, *capfd.readouterr()), vm.root, r"cannot write .*none/vm\.log: No such file", 1)


def test_no_shutdown(vm: Vm, stub_image: Path, tmp_path: Path) -> None:
    """QEMU stays when the guest has powered off, and `vm list` tells it."""
    log = tmp_path / "console.log"
    assert vm("run", "--detach", "--no-shutdown", "--console-log", log, stub_image).returncode == 0
    vm.until(lambda: "STUB GUEST" in log.read_text())  # before that, firmware may lose the power button
    assert vm("stop", "stub").returncode == 0
    vm.until(lambda: json.loads(vm("show", "stub").stdout)["status"] == "shutdown")
    assert vm("list").stdout.splitlines()[1].split()[:2] == ["stub", "shutdown"]
    assert vm("stop", "-f", "stub").returncode == 0


def test_log_and_trace(vm: Vm, stub_image: Path, tmp_path: Path) -> None:
    log = tmp_path / "qemu.log"
    options = ["--logfile", log, "--logging-items", "cpu_reset", "--trace", "runstate_set"]
    assert vm("run", "--detach", *options, stub_image).returncode == 0
    assert vm("stop", "-w", "stub").returncode == 0
    assert "runstate_set" in log.read_text()
    assert "CPU Reset" in log.read_text()


def test_wait_ssh_that_does_not_come(vm: Vm, stub_image: Path) -> None:
    done = vm("run", "--detach", "--wait-ssh-timeout", "0.5", stub_image)
    assert (done.returncode, done.stdout) == (124, "stub\n")
    assert "stub did not reach ssh in 0.5 s" in done.stderr
    assert vm("list", "-q").stdout == "stub\n"  # it runs on, to be looked at
    assert vm("stop", "-f", "stub").returncode == 0


def test_wait_ssh(vm: Vm, stub_image: Path) -> None:
    """The guest is none that could answer: what QEMU forwards to is the guest's; a server of the test's own is not."""
    child = vm.start("run", "--detach", "--wait-ssh", stub_image)
    vm.up("stub")
    assert child.stdout is not None
    assert child.stdout.readline() == "stub\n"
    assert child.poll() is None  # it waits
    assert vm("stop", "-w", "stub").returncode == 0
    _, err = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "stub ended before it reached ssh" in err


def test_bad_options(
    run_root: Path, home: Path, stub_image: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def bad(arguments: list[str | Path], message: str) -> None:
        found = cli.execute(["run", *map(str, arguments), str(stub_image)])
        check((found, *capfd.readouterr()), run_root, message, 2)

    bad(["--wait-ssh"], "--wait-ssh needs --detach")
    bad(["--detach", "--wait-ssh-timeout", "0"], "--wait-ssh-timeout 0: it must be more")
    bad(["--logging-items", "help"], "--logging-items 'help' names nothing")
    bad(["--trace", "a b"], "--trace 'a b' names nothing")
    bad(["--logfile", tmp_path], "--logfile: cannot write .*: it is a folder")
    bad(["--sock-forward", tmp_path / "none"], "--sock-forward: cannot look at")


def test_debugging_options(vm: Vm, stub_image: Path) -> None:
    options = ["--no-shutdown", "--logging-items", "int", "--trace", "a*", "--trace", "b", "--logfile", "q.log"]
    done = vm("run", "--dry-run", *options, stub_image, "--", "-snapshot")
    assert done.stdout.endswith(f" -no-shutdown -d int -trace 'a*' -trace b -D {Path.cwd()}/q.log -snapshot\n")
