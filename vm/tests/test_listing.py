# SPDX-License-Identifier: MIT
"""`vm list`, `vm show`, `vm cid`: what is running, broken or silent; one that hangs holds nobody up."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import FakeVm
from genpack_vm import identity, info, listing
from genpack_vm.errors import NotRunningError, VmError
from servers import qemu, server, silent

Make = Callable[[str], FakeVm]


def answering(status: str = "running") -> Callable[..., None]:
    return qemu(lambda request: {"return": {"status": status, "running": status == "running", "singlestep": False}})


def test_table(fake_vm: Make) -> None:
    assert listing.text(quiet=True, as_json=False) == ""
    with server(fake_vm("b").files.qmp, answering()), server(fake_vm("c").files.qmp, answering("paused")):
        fake_vm("a").files.info.write_text("broken")
        assert listing.text(quiet=True, as_json=False) == "a\nb\nc\n"
        lines = listing.text(quiet=False, as_json=False).splitlines()
    assert lines[0].split() == ["NAME", "STATE", "PID", "ARCH", "ACCEL", "SSH", "UP", "IMAGE"]
    assert [line.split()[:2] for line in lines[1:]] == [["a", "broken"], ["b", "running"], ["c", "paused"]]
    assert "127.0.0.1:2222" in lines[2]
    assert lines[2].endswith("/images/hello.squashfs")


def test_json(fake_vm: Make) -> None:
    vm = fake_vm("b")
    fake_vm("a").files.info.write_text("broken")
    with server(vm.files.qmp, answering()):
        data = json.loads(listing.text(quiet=False, as_json=True))
        shown = json.loads(listing.show("b"))
        assert json.loads(listing.show(None)) == data
    assert data["version"] == 1
    assert [v["state"] for v in data["vms"]] == ["broken", "running"]
    assert [v["status"] for v in data["vms"]] == [None, "running"]
    assert data["vms"][1]["pid"] == vm.info.pid
    assert data["vms"][1]["ports"] == [{"protocol": "tcp", "host": "127.0.0.1", "port": 2222, "guest_port": 22}]
    assert json.loads(listing.text(quiet=True, as_json=True)) == ["a", "b"]
    assert shown == {"version": 1, **data["vms"][1]}
    with pytest.raises(NotRunningError):
        listing.show("none")


def test_fifty_and_one_hangs(fake_vm: Make) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(50):
            serve = silent if number == 7 else answering()
            stack.enter_context(server(fake_vm(f"vm{number:02}").files.qmp, serve))
        data = json.loads(listing.text(quiet=False, as_json=True))
    assert len(data["vms"]) == 50
    silent_ones = [v["name"] for v in data["vms"] if v["status"] is None]
    assert "vm07" in silent_ones
    (hung,) = [v for v in data["vms"] if v["name"] == "vm07"]
    assert (hung["state"], hung["problem"]) == ("running", "QEMU has not answered in 0.25 s")


def test_one_that_ends_while_it_is_asked(fake_vm: Make) -> None:
    """It is gone from the list, not an error in it."""
    vm = fake_vm("a")
    held = vm.claim.fd

    def end(connection: object) -> None:
        os.close(held)

    with server(vm.files.qmp, end):
        data = json.loads(listing.text(quiet=False, as_json=True))
    vm.claim.fd = os.open("/", os.O_RDONLY)  # for the fixture to close
    assert data["vms"] == []


def test_cid(fake_vm: Make, run_root: Path) -> None:
    assert listing.cid("a") == identity.cid(os.getuid(), "a")
    vm = fake_vm("a")
    with pytest.raises(VmError, match="a has no vsock device"):
        listing.cid("a")
    vm.write(cid=4711)
    assert listing.cid("a") == 4711
    assert info.find_running(run_root, "a").cid == 4711
