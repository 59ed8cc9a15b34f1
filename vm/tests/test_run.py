# SPDX-License-Identifier: MIT
"""`vm` from outside with a real QEMU and a guest of 2 KiB: boot, console, power-down, every way to end."""

from __future__ import annotations

import json
import os
import shlex
import signal
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Tty, Vm
from genpack_vm import info

pytestmark = pytest.mark.qemu
HELLO = "STUB GUEST"


def gone(pid: int) -> bool:
    return info.start_ticks(pid) is None


def left(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if not path.name.startswith("."))


def test_dry_run(vm: Vm, stub_image: Path) -> None:
    done = vm("run", "--dry-run", "--memory", "256", "--append", "a b", stub_image, "--", "-snapshot")
    assert done.returncode == 0
    argv = shlex.split(done.stdout)
    assert argv[0] == "qemu-system-x86_64"
    assert argv[-1] == "-snapshot"
    assert argv[argv.index("-m") + 1] == "256M"
    assert argv[argv.index("-append") + 1].endswith(" a b")
    assert f"{stub_image}:/boot/vmlinuz-1" in done.stderr
    assert left(vm.root) == []


def test_foreground_until_the_guest_is_stopped(vm: Vm, stub_image: Path, tmp_path: Path) -> None:
    log, output = tmp_path / "console.log", tmp_path / "output"
    with output.open("wb") as stdout:
        child = vm.start("run", "--console-log", log, stub_image, stdout=stdout)
    up = vm.up("stub")
    assert (up.image, up.arch, up.detached) == (str(stub_image), "x86_64", False)
    assert up.ssh is not None
    assert up.ssh[1] > 0
    vm.until(lambda: log.exists() and HELLO in log.read_text())
    assert vm("stop", "-w", "stub").returncode == 0
    _, err = child.communicate(timeout=20)
    assert child.returncode == 0
    assert output.read_bytes() == log.read_bytes() == b"STUB GUEST\r\nPOWER BUTTON\r\n"
    assert "stub is running; SSH on port" in err
    assert left(vm.root) == []
    assert gone(up.pid)


def test_detached_from_start_to_end(vm: Vm, stub_image: Path, tmp_path: Path, home: Path) -> None:
    """One VM for all that only talks to a running one."""
    (home / ".ssh" / "id_rsa.pub").write_text("ssh-rsa KEY me\n")
    data, ini = tmp_path / "data.img", tmp_path / "system.ini"
    data.write_bytes(bytes(1 << 20))
    ini.write_text("[_]\nhostname=x\n")
    options = ["--detach", "--data-file", data, "--system-ini", ini, "--fw-cfg", "a=b", "--hostfwd", "0-80"]
    done = vm("run", *options, stub_image)
    assert (done.returncode, done.stdout) == (0, "stub\n")
    up = vm.up("stub")
    assert up.detached
    assert (up.data_file, up.console_log) == (str(data), str(vm.root / "stub" / "console.log"))
    assert [port.guest_port for port in up.ports] == [22, 80]
    argv = Path(f"/proc/{up.pid}/cmdline").read_text().split("\0")
    assert "name=opt/ssh-public-key,string=ssh-rsa KEY me" in argv
    assert f"name=opt/system.ini,file={ini}" in argv
    assert "name=opt/a,string=b" in argv

    listed = json.loads(vm("list", "--format", "json").stdout)
    assert [(v["name"], v["state"], v["pid"]) for v in listed["vms"]] == [("stub", "running", up.pid)]
    assert vm("list", "-q").stdout == "stub\n"

    taken = vm("run", "--name", "stub", stub_image)
    assert taken.returncode == 1
    assert "error: a VM named stub is already running" in taken.stderr
    second = vm("run", "--detach", "--data-file", data, stub_image)
    assert second.returncode == 1
    assert "stub-2" in second.stderr
    assert "another VM uses this disk file" in second.stderr
    assert vm("wait", "--for", "ssh", "--timeout", "0.5", "stub").returncode == 124
    assert vm("ssh", "--timeout", "0.5", "stub", "true").returncode == 124
    assert vm("stop", "none").returncode == 1

    two = [vm.start("stop", "-w", "stub") for _ in range(2)]
    for child in two:
        _, err = child.communicate(timeout=20)
        assert child.returncode == 0 or "no VM named 'stub' is running" in err
        assert "Traceback" not in err
    assert vm("wait", "--for", "shutdown", "--timeout", "10", "stub").returncode == 0
    ended = json.loads((vm.root / ".ended" / "stub.json").read_text())
    assert (ended["version"], ended["status"]) == (1, 0)
    assert "POWER BUTTON" in (vm.root / ".ended" / "stub.console").read_text()
    vm.until(lambda: left(vm.root) == [])
    assert gone(up.pid)


def test_volatile_data_and_swap_are_accepted(vm: Vm, deaf_image: Path, tmp_path: Path) -> None:
    data, swap = tmp_path / "a,b.img", tmp_path / "swap.img"
    for path in (data, swap):
        path.write_bytes(bytes(1 << 20))
    done = vm("run", "--timeout", "1", "--volatile-data", "-d", data, "--swap", swap, deaf_image)
    assert done.returncode == 124
    assert HELLO in done.stdout


def test_stop_of_a_deaf_guest(vm: Vm, deaf_image: Path) -> None:
    assert vm("run", "--detach", deaf_image).returncode == 0
    up = vm.up("deaf")
    asked = vm("stop", "--wait-timeout", "0.5", "deaf")
    assert asked.returncode == 124
    assert "tip: end it: vm stop -f deaf" in asked.stderr
    assert vm("stop", "-f", "deaf").returncode == 0
    assert gone(up.pid)


def test_stop_of_a_hung_qemu(vm: Vm, stub_image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert vm("run", "--detach", stub_image).returncode == 0
    up = vm.up("stub")
    os.kill(up.pid, signal.SIGSTOP)
    forced = vm("stop", "-f", "stub")
    assert forced.returncode == 0
    assert "does not answer" in forced.stderr
    assert gone(up.pid)
    ended = vm("wait", "--for", "shutdown", "stub")
    assert ended.returncode == 1
    assert "was killed by SIGKILL" in ended.stderr


@pytest.mark.parametrize("detach", [False, True])
def test_qemu_dies_with_its_vm(vm: Vm, deaf_image: Path, detach: bool) -> None:
    if detach:
        assert vm("run", "--detach", deaf_image).returncode == 0
    else:
        vm.start("run", deaf_image)
    up = vm.up("deaf")
    os.kill(up.owner_pid, signal.SIGKILL)
    vm.until(lambda: gone(up.pid))
    # The last of its threads to end holds the lock.
    vm.until(lambda: vm("list", "-q").stdout == "")
    assert left(vm.root) == []


def test_timeout(vm: Vm, deaf_image: Path) -> None:
    begin = time.monotonic()
    done = vm("run", "--timeout", "1", deaf_image)
    assert done.returncode == 124
    assert "deaf was ended after 1 s" in done.stderr
    assert time.monotonic() - begin < 10
    assert left(vm.root) == []


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_signal_powers_down(vm: Vm, stub_image: Path, signum: signal.Signals, status: int) -> None:
    child = vm.start("run", stub_image)
    vm.up("stub")
    assert child.stdout is not None
    assert HELLO in child.stdout.readline()
    child.send_signal(signum)
    out, err = child.communicate(timeout=20)
    assert child.returncode == status
    assert "POWER BUTTON" in out
    assert "Traceback" not in err
    assert left(vm.root) == []


def test_second_signal_ends_at_once(vm: Vm, deaf_image: Path) -> None:
    child = vm.start("run", deaf_image)
    up = vm.up("deaf")
    child.send_signal(signal.SIGTERM)
    assert child.stderr is not None
    while "asking deaf to power down" not in child.stderr.readline():
        pass
    child.send_signal(signal.SIGTERM)
    assert child.wait(10) == 143
    assert gone(up.pid)
    assert left(vm.root) == []


def test_reader_of_the_output_goes_away(vm: Vm, stub_image: Path) -> None:
    child = vm.start("run", stub_image)
    assert child.stdout is not None
    child.stdout.close()
    child.stdout = None
    assert child.wait(20) == 141
    assert left(vm.root) == []


def test_terminal(tty: Callable[..., Tty], stub_image: Path) -> None:
    """Every key goes to the guest, Ctrl-C too; the terminal is as before in the end."""
    terminal = tty("run", stub_image)
    terminal.until("STUB GUEST")
    assert not termios.tcgetattr(terminal.slave)[3] & (termios.ECHO | termios.ICANON | termios.ISIG)
    terminal.type(b"xyz\x03\x1a")
    terminal.until("xyz\x03\x1a")
    assert terminal.child.poll() is None
    terminal.type(b"q")
    assert terminal.child.wait(10) == 0
    assert termios.tcgetattr(terminal.slave) == terminal.before


def test_escape_powers_down(tty: Callable[..., Tty], stub_image: Path) -> None:
    terminal = tty("run", stub_image)
    terminal.until("STUB GUEST")
    terminal.type(b"\x1d")
    terminal.until("POWER BUTTON")
    assert terminal.child.wait(10) == 0
    assert termios.tcgetattr(terminal.slave) == terminal.before


def test_second_escape_ends_qemu(tty: Callable[..., Tty], deaf_image: Path) -> None:
    terminal = tty("run", deaf_image)
    terminal.until("STUB GUEST")
    terminal.type(b"\x1d")
    terminal.until("Ctrl-] again ends QEMU at once")
    terminal.type(b"\x1d")
    assert terminal.child.wait(10) == 0


def test_terminal_is_restored_after_a_failure(tty: Callable[..., Tty], deaf_image: Path) -> None:
    terminal = tty("run", "--timeout", "1", deaf_image)
    terminal.until("was ended after 1 s")
    assert terminal.child.wait(10) == 124
    assert termios.tcgetattr(terminal.slave) == terminal.before


def test_guest_reset_boots_again(tty: Callable[..., Tty], stub_image: Path) -> None:
    terminal = tty("run", stub_image)
    terminal.until("STUB GUEST")
    terminal.type(b"r")
    terminal.until("STUB GUEST\r\r\nSTUB GUEST")
    terminal.type(b"q")
    assert terminal.child.wait(10) == 0
