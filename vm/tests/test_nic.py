# SPDX-License-Identifier: MIT
"""Network interfaces: what a name is, by a made-up /sys; bad names; locks of virtual functions; real ones."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Vm
from genpack_vm import connecting, nic
from genpack_vm.errors import UsageError, VmError
from genpack_vm.nic import Kind, Request


@pytest.fixture
def sys_net(tmp_path: Path) -> Path:
    """br0, tap0, tun0, macvtap0, eth0 with two virtual functions, and a VDE switch beside it."""
    top = tmp_path / "net"
    (top / "br0/bridge").mkdir(parents=True)
    for name, flags in (("tap0", "0x1002"), ("tun0", "0x1001")):
        (top / name).mkdir()
        (top / name / "tun_flags").write_text(flags + "\n")
    (top / "macvtap0/macvtap/tap7").mkdir(parents=True)
    (top / "macvtap0/address").write_text("52:54:00:aa:bb:cc\n")
    (top / "macvtap0/ifindex").write_text("7\n")
    (top / "eth0/device").mkdir(parents=True)
    for n in range(2):
        function = tmp_path / "pci" / f"0000:01:10.{n}"
        function.mkdir(parents=True)
        (top / f"eth0/device/virtfn{n}").symlink_to(function)
    (tmp_path / "switch").mkdir()
    (tmp_path / "switch/ctl").touch()
    return top


def test_what_a_name_is(sys_net: Path, tmp_path: Path) -> None:
    switch = str(tmp_path / "switch")
    names = ["user", "br0", "tap0", "macvtap0", "230.0.0.1:1234", switch, "eth0v1", "eth0v0-5"]
    assert [nic.classify(name, sys_net) for name in names] == [
        (Kind.USER, ""),
        (Kind.BRIDGE, "br0"),
        (Kind.TAP, "tap0"),
        (Kind.MACVTAP, "macvtap0"),
        (Kind.MULTICAST, "230.0.0.1:1234"),
        (Kind.VDE, switch),
        (Kind.SRIOV, "0000:01:10.1"),
        (Kind.SRIOV, "0000:01:10.0,0000:01:10.1"),
    ]


@pytest.mark.parametrize(
    ("name", "message", "tip"),
    [
        ("br1", "'br1': there is no such network interface", "did you mean br0"),
        ("", "there is no such network interface", "there are br0"),
        ("tun0", "tun0 is a tun", "tap"),
        ("eth0", "eth0 is neither a bridge, a tap nor a macvtap", "type macvtap"),
        ("eth0v7", "eth0 has no such virtual function", "sriov_numvfs"),
        ("10.0.0.1:80", "not a multicast group", "224"),
        ("230.0.0.1:70000", "not a multicast group", "224"),
        ("999.0.0.1:7", "not a multicast group", "224"),
        ("/nonexistent", "no VDE switch is there", "vde_switch"),
    ],
)
def test_bad_names(sys_net: Path, name: str, message: str, tip: str) -> None:
    with pytest.raises(UsageError, match=message) as e:
        nic.classify(name, sys_net)
    assert tip in str(e.value.tip)


def test_plan(sys_net: Path) -> None:
    found = nic.plan([Request("br0", "52:54:00:0A:00:01"), Request("macvtap0")], "x", ["a", "b"], sys_net)
    assert [(n.kind, n.mac) for n in found] == [
        (Kind.BRIDGE, "52:54:00:0a:00:01"),
        (Kind.MACVTAP, "52:54:00:aa:bb:cc"),
    ]
    with pytest.raises(UsageError, match="one user network"):
        nic.plan([Request("user"), Request("user")], "x", ["", ""], sys_net)


def test_shown_for_a_dry_run(sys_net: Path) -> None:
    wanted = nic.plan([Request("eth0v0-1"), Request("macvtap0")], "x", ["m", "n"], sys_net)
    assert [(n.where, n.fd) for n in connecting.shown(tuple(wanted), 14)] == [("0000:01:10.0", None), ("macvtap0", 14)]


def bind(function: Path, driver: str) -> None:
    target = function.parent / driver
    target.mkdir(exist_ok=True)
    (function / "driver").symlink_to(target)


def test_a_virtual_function_belongs_to_one_vm(
    sys_net: Path, tmp_path: Path, fake_program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pci, asked = tmp_path / "pci", tmp_path / "asked"
    monkeypatch.undo()
    for n in range(2):
        bind(pci / f"0000:01:10.{n}", "vfio-pci")
        (pci / f"0000:01:10.{n}" / "physfn").symlink_to(sys_net / "eth0/device")
    (sys_net / "eth0/device/net/eth0").mkdir(parents=True)
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ip").write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    (folder / "ip").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    wanted = nic.plan([Request("eth0v0-1")], "x", ["52:54:00:00:00:01"], sys_net)
    first, locks = nic.acquire(wanted, tmp_path / "locks", sys_net, pci)
    second, more = nic.acquire(wanted, tmp_path / "locks", sys_net, pci)
    assert (first[0].where, second[0].where) == ("0000:01:10.0", "0000:01:10.1")
    assert asked.read_text().splitlines() == [f"link set eth0 vf {n} mac 52:54:00:00:00:01" for n in range(2)]
    with pytest.raises(VmError, match="all of these virtual functions are in use"):
        nic.acquire(wanted, tmp_path / "locks", sys_net, pci)
    os.close(locks[0])
    third, again = nic.acquire(wanted, tmp_path / "locks", sys_net, pci)
    assert third[0].where == "0000:01:10.0"
    for fd in (*more, *again):
        os.close(fd)


def test_a_function_with_another_driver(sys_net: Path, tmp_path: Path) -> None:
    bind(tmp_path / "pci" / "0000:01:10.0", "ixgbevf")
    wanted = nic.plan([Request("eth0v0")], "x", [""], sys_net)
    with pytest.raises(VmError, match=r"the driver of 0000:01:10\.0 is ixgbevf, not vfio-pci"):
        nic.acquire(wanted, tmp_path / "locks", sys_net, tmp_path / "pci")


SCRIPT = """
set -e
mount -t sysfs sysfs /sys
ip link set lo up
ip route add 224.0.0.0/4 dev lo
ip link add br0 type bridge
ip link set br0 up
ip tuntap add tap0 mode tap
ip link set tap0 up
mount -t tmpfs tmpfs /etc/qemu
echo 'allow br0' > /etc/qemu/bridge.conf
exec "$@"
"""


@pytest.mark.qemu
def test_tap_bridge_and_multicast(vm: Vm, stub_image: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """With real ones, in a network namespace of the test's own; the guest does nothing with them, QEMU opens them."""
    log = tmp_path / "log"
    options = ["-i", "tap0", "-i", "br0", "-i", "230.0.0.1:4321", "-i", "user", "--timeout", "20", "--console-log", log]
    with contextlib.suppress(FileExistsError):
        Path("/etc/qemu").mkdir()
        request.addfinalizer(Path("/etc/qemu").rmdir)
    argv = ["unshare", "--net", "--mount", "sh", "-c", SCRIPT, "sh", *vm.argv("run", *options, stub_image)]
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    vm.started.append(child)
    vm.until(lambda: child.poll() is not None or (log.exists() and "STUB GUEST" in log.read_text()), 60)
    up = info_of(vm, "stub") if child.poll() is None else ""
    child.terminate()
    _, err = child.communicate(timeout=60)
    assert "tap,id=net0,ifname=tap0,script=no,downscript=no" in up, err
    assert "tap,id=net1,br=br0,helper=" in up
    assert "socket,id=net2,mcast=230.0.0.1:4321" in up
    assert child.returncode == 143
    assert "POWER BUTTON" in log.read_text()


def info_of(vm: Vm, name: str) -> str:
    return Path(f"/proc/{vm.up(name).pid}/cmdline").read_text()


@pytest.mark.qemu
def test_bad_networks(vm: Vm, stub_image: Path) -> None:
    done = vm("run", "-i", "nosuch", stub_image)
    assert done.returncode == 2
    assert "-i 'nosuch': there is no such network interface" in done.stderr
    done = vm("run", "-i", "230.0.0.1:4321", "--hostfwd", "0-80", stub_image)
    assert "--hostfwd needs the user network" in done.stderr
    done = vm("run", "--guestfwd", "x", stub_image)
    assert "--guestfwd 'x' is no forwarding" in done.stderr
