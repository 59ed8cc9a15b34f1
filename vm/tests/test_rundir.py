# SPDX-License-Identifier: MIT
"""Run directories: one owner a name, dead ones cleaned, broken ones shown."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import FakeVm
from genpack_vm import info, rundir
from genpack_vm.errors import NotRunningError, VmError

Make = Callable[[str], FakeVm]


def test_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert rundir.root({}) == Path("/run/vm")
    assert rundir.root({"VM_RUN_ROOT": "/x"}) == Path("/x")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert rundir.root({"XDG_RUNTIME_DIR": "/run/user/1000"}) == Path("/run/user/1000/vm")
    with pytest.raises(VmError, match="XDG_RUNTIME_DIR is not set"):
        rundir.root({})


def test_one_owner(run_root: Path) -> None:
    first = rundir.claim(run_root, "a")
    assert first is not None
    assert first.files.folder.stat().st_mode & 0o777 == 0o700
    assert rundir.claim(run_root, "a") is None
    assert rundir.is_alive(run_root, "a")
    first.release()
    assert not rundir.is_alive(run_root, "a")
    assert not (run_root / "a").exists()
    again = rundir.claim(run_root, "a")
    assert again is not None
    again.release()


def test_what_a_dead_one_left_is_removed(run_root: Path) -> None:
    for name in ("a", "b", ".ended"):
        (run_root / name).mkdir()
        (run_root / name / "vm.json").write_text("{}")
    claim = rundir.claim(run_root, "a")
    assert claim is not None
    assert list(claim.files.folder.iterdir()) == []
    assert rundir.living(run_root) == ["a"]
    assert not (run_root / "b").exists()
    assert (run_root / ".ended").exists()
    claim.release()


def test_path_too_long_for_a_socket(run_root: Path) -> None:
    with pytest.raises(VmError, match="too long for a socket"):
        rundir.claim(run_root / ("x" * 60), "y" * 40)


def test_run_root_that_cannot_be() -> None:
    with pytest.raises(VmError, match="cannot use the run directory /dev/null/x"):
        rundir.claim(Path("/dev/null/x"), "a")


def test_states(fake_vm: Make, run_root: Path) -> None:
    vm = fake_vm("a")
    assert info.look(run_root, "a") == info.Entry("a", info.State.RUNNING, vm.info)
    vm.files.qmp.unlink()
    assert info.look(run_root, "a").problem == "qmp.sock is gone"
    vm.write(start_ticks=1)
    assert info.look(run_root, "a").state is info.State.ENDING
    assert "is gone, its vm" in str(info.look(run_root, "a").problem)
    vm.files.info.write_text("{")
    assert str(info.look(run_root, "a").problem).startswith("vm.json: ")
    vm.files.info.unlink()
    assert info.look(run_root, "a").state is info.State.STARTING


@pytest.mark.spawn
def test_a_qemu_that_removed_its_socket_and_is_just_ending(fake_vm: Make, run_root: Path) -> None:
    vm = fake_vm("a")
    with subprocess.Popen(["sleep", "0.3"]) as child:
        vm.write(pid=child.pid, start_ticks=info.start_ticks(child.pid))
        vm.files.qmp.unlink()
        entry = info.look(run_root, "a")
    assert (entry.state, entry.problem) == (info.State.ENDING, f"QEMU (process {child.pid}) is just ending")


def test_round_trip(fake_vm: Make) -> None:
    vm = fake_vm("a")
    assert info.parse(vm.files.info.read_text()) == vm.info
    assert json.loads(vm.files.info.read_text())["version"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 2 is not 1"),
        ({"pid": "12"}, "pid is '12'"),
        ({"ports": [{"protocol": "tcp"}]}, "host is missing"),
        ({"ports": None}, "ports is None"),
        ({"detached": 1}, "detached is 1"),
    ],
)
def test_wrong_fields(fake_vm: Make, change: dict[str, object], message: str) -> None:
    data = fake_vm("a").info.to_json() | change
    with pytest.raises(ValueError, match=message):
        info.parse(json.dumps(data))


@pytest.mark.parametrize("text", ["", "[]", "null", '{"version": 1}', "\x00"])
def test_no_vm_json(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        info.parse(text)


def test_find_names_what_runs(fake_vm: Make, run_root: Path) -> None:
    with pytest.raises(NotRunningError) as e:
        info.find(run_root, "hello")
    assert e.value.tip == "no VM is running"
    fake_vm("hello")
    with pytest.raises(NotRunningError, match="no VM named 'helo' is running") as e:
        info.find(run_root, "helo")
    assert e.value.tip == "did you mean hello?"
    with pytest.raises(NotRunningError) as e:
        info.find(run_root, "zzz")
    assert e.value.tip == "running: hello"
