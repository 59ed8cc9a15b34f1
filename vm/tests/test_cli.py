# SPDX-License-Identifier: MIT
"""The command line: bad input ends in one clear line, help is quick and complete, the man page says the same."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import guest
import pytest
from conftest import FakeVm, Vm, check
from genpack_vm import __version__, cli

MAN = Path(__file__).resolve().parents[1] / "man" / "vm.1"


@pytest.fixture
def bad(run_root: Path, home: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Run a command line that fails before any program is started, in this process."""

    def run(arguments: list[str | Path], message: str, status: int = 2) -> None:
        found = cli.execute([str(a) for a in arguments])
        check((found, *capfd.readouterr()), run_root, message, status)

    return run


@pytest.fixture
def bad_process(vm: Vm) -> Callable[..., None]:
    """The same in a process of its own."""

    def run(arguments: list[str | Path], message: str, status: int) -> None:
        done = vm(*arguments)
        check((done.returncode, done.stdout, done.stderr), vm.root, message, status)

    return run


def test_images(bad: Callable[..., None], tmp_path: Path, stub_image: Path, make_image: Callable[..., Path]) -> None:
    truncated = tmp_path / "cut.squashfs"
    truncated.write_bytes(make_image({"boot/kernel": guest.kernel(), "x": bytes(range(256)) * 999}).read_bytes()[:900])
    text = tmp_path / "text"
    text.write_text("hello")
    bad(["run", tmp_path / "none"], "cannot open the image .*none: No such file")
    bad(["run", tmp_path], "is a folder, not a SquashFS image")
    bad(["run", text], f"{text}: not a SquashFS image")
    bad(["run", truncated], f"{truncated}: the SquashFS is truncated")
    bad(["run", make_image({"etc/x": b""})], "the image has no kernel")
    bad(["run", make_image({"boot/kernel": b"hello"})], "/boot/kernel is not a Linux kernel .* but ")


def test_files(bad: Callable[..., None], tmp_path: Path, stub_image: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    bad(["run", "-d", tmp_path / "none", stub_image], "--data-file: there is no ")
    bad(["run", "-d", tmp_path, stub_image], "--data-file: cannot read and write .*: Is a directory")
    bad(["run", "-d", empty, stub_image], "--data-file: .* is empty")
    bad(["run", "-d", "/dev/null", stub_image], "neither a file nor a block device")
    bad(["run", "--swap", tmp_path / "none", stub_image], "--swap: there is no ")
    bad(["run", "--volatile-data", stub_image], "--volatile-data needs --data-file")
    bad(["run", "--system-ini", tmp_path / "none", stub_image], "--system-ini: cannot read .*: No such file")
    bad(["run", "--application-ini", empty, stub_image], "--application-ini: .* is empty")
    bad(["run", "--console-log", tmp_path / "no" / "log", stub_image], "--console-log: cannot write .*: there is no")
    bad(["run", "--console-log", tmp_path, stub_image], "--console-log: cannot write .*: it is a folder")
    full = tmp_path / "full"
    full.write_bytes(b"x")
    bad(["run", "-d", full, "--swap", full, stub_image], "the same file is given for two disks")


def test_values(bad: Callable[..., None], stub_image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad(["run", "-n", "a/b", stub_image], "'a/b' is not a VM name")
    bad(["run", "-m", "1", stub_image], "--memory 1: at least 64 MiB")
    bad(["run", "-c", "0", stub_image], "--cpu 0: at least 1")
    bad(["run", "--timeout", "0", stub_image], "--timeout 0: it must be more than 0")
    bad(["run", "--hostfwd", "x", stub_image], "--hostfwd 'x'")
    bad(["run", "--fw-cfg", "x", stub_image], "--fw-cfg 'x'")
    bad(["run", "--append", "x" * 2000, stub_image], "--append makes a kernel command line of more than 2047 bytes")
    bad(["run", "--nmae", "x", stub_image], "No such option:? '?--nmae")
    bad(["run"], "Missing argument 'IMAGE'")
    bad(["wait", "--timeout", "0", "x"], "--timeout 0: it must be more")
    bad(["wait", "a/b"], "is not a VM name")
    bad(["stop", "--wait-timeout", "0", "x"], "--wait-timeout 0")
    bad(["wait", "--for", "x", "y"], "Invalid value for '--for'")
    bad(["lst"], "No such command 'lst'")
    monkeypatch.setenv("VM_ACCEL", "xen")
    bad(["run", stub_image], "VM_ACCEL is 'xen'")


@pytest.mark.qemu
def test_qemu_says_no(bad_process: Callable[..., None], stub_image: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    model = ["run", "--cpu-model", "none", stub_image]
    bad_process(model, "QEMU of stub ended with status 1: unable to find CPU model", 1)
    bad_process(["run", "--console-log", log, stub_image, "--", "-none"], "-none: invalid option", 1)
    detached = ["run", "--detach", "--console-log", log, stub_image, "--", "-device", "none"]
    bad_process(detached, "'none' is not a valid device", 1)
    assert not log.exists()


def test_port_in_use(bad: Callable[..., None], stub_image: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        message = f"cannot forward tcp port {port} on 127.0.0.1: Address already in use"
        bad(["run", "--hostfwd", f"{port}-80", stub_image], message, 1)


def test_missing_qemu(bad: Callable[..., None], stub_image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    bad(["run", stub_image], "qemu-system-x86_64 is required to run x86_64 images, and was not found", 1)


def test_kvm_that_cannot_be(bad: Callable[..., None], stub_image: Path, make_image: Callable[..., Path]) -> None:
    arm = bytearray(128)
    arm[56:60] = b"ARM\x64"
    image = make_image({"boot/kernel": bytes(arm), "boot/initramfs": b"x"})
    done_message = "(KVM cannot be used|qemu-system-aarch64 is required)"
    bad(["run", "--kvm", image], done_message, 1)


def test_ssh_own_failure_is_125(bad: Callable[..., None]) -> None:
    bad(["ssh", "none", "ls", "-l"], "no VM named 'none' is running", 125)
    bad(["ssh", "a/b"], "is not a VM name", 125)
    bad(["ssh", "--tiemout", "1", "a"], "no VM named '1' is|is not a VM name", 125)


NAMES = ["../etc", "", ".hidden", "-", "a b", "a" * 64, "\xe4"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["stop"], 2),
        (["console"], 2),
        (["show"], 2),
        (["cid"], 2),
        (["wait"], 2),
        (["exec", "NAME", "--", "true"], 125),
        (["ssh", "NAME", "true"], 125),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_names_that_are_none(bad: Callable[..., None], words: list[str], status: int, name: str) -> None:
    command, *rest = words
    places = [name if word == "NAME" else word for word in rest] or ["--", name]
    if command in ("exec", "ssh") and name.startswith("-"):
        places = ["--", *places]
    bad([command, *places], "is not a VM name", status)


def test_bad_use_of_commands(bad: Callable[..., None], tmp_path: Path) -> None:
    for command in ("console", "show"):
        bad([command, "none"], "no VM named 'none' is running", 1)
    bad(["exec", "none", "--", "true"], "no VM named 'none' is running", 125)
    bad(["exec", "x"], "no command is given", 125)
    bad(["exec", "--timeout", "0", "x", "--", "true"], "--timeout 0: it must be more", 125)
    bad(["exec", "--timeout", "soon", "x", "true"], "Invalid value for '--timeout'", 125)
    bad(["stop", "-c", "a", "b"], "--console shows one VM, and several are named")
    bad(["stopall", "--wait-timeout", "-1"], "--wait-timeout -1")
    bad(["scp", "a"], "scp needs at least two places")
    bad(["scp", "a", "b"], "none of the places is in a VM")
    bad(["scp", "a:x", "b:y"], "copies between this machine and one VM")
    bad(["scp", "a:x", "a:y"], "copies between this machine and one VM")
    bad(["scp", "x", "none:y"], "no VM named 'none' is running", 1)
    bad(["scp", "x", "@b:y"], "no user before @")
    bad(["scp", "-i", tmp_path / "none", "x", "b:y"], "cannot read the key", 1)


def test_broken_run_root(vm: Vm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VM_RUN_ROOT", "/dev/null/x")
    done = vm("list")
    assert (done.returncode, done.stderr) == (0, "")
    assert vm("stop", "x").returncode == 1


@pytest.mark.spawn
def test_start_loads_nothing_heavy() -> None:
    """What a command needs is imported by that command: help and completion must be quick."""
    heavy = {"asyncio", "ctypes", "json", "qemu", "rich", "zstandard", "magic"}
    code = "import sys; from genpack_vm import cli; cli.execute(['run', '--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert heavy & set(done.stdout.split()) == set()


@pytest.mark.spawn
def test_a_command_in_a_guest_does_not_wait_for_the_command_line() -> None:
    code = "import sys; from genpack_vm import cli; cli.execute(['exec', 'none', '--', 'true']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"typer", "click", "asyncio", "qemu", "ctypes"} & set(done.stdout.split()) == set()
    assert "no VM named 'none' is running" in done.stderr


COMMANDS = list(cli.command().commands)


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.execute([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"Usage: vm {command}" in out
    assert "\\[" not in out
    assert cli.execute([command, "-h"]) == 0


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.execute(["--version"]) == 0
    assert capsys.readouterr().out == f"vm {__version__}\n"


@pytest.mark.spawn
def test_completion(run_root: Path, fake_vm: Callable[[str], FakeVm]) -> None:
    """What a shell asks for at Tab: commands, options, names of running VMs."""

    def complete(line: str) -> list[str]:
        words = {"_VM_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
        argv = [sys.executable, "-c", "from genpack_vm.cli import main; main()"]
        done = subprocess.run(argv, env=os.environ | words, capture_output=True, text=True, check=True)
        return done.stdout.split()

    fake_vm("web-1")
    fake_vm("mail")
    assert complete("vm sto") == ["stop", "stopall"]
    assert "--wait-timeout" in complete("vm stop --wa")
    for command in ("console", "exec", "show", "stop", "wait", "ssh", "cid"):
        assert complete(f"vm {command} w") == ["web-1"], command
    assert complete("vm ssh me@m") == ["me@mail"]
    assert complete("vm scp m") == ["mail:"]


def test_no_arguments_show_help(vm: Vm) -> None:
    done = vm()
    assert done.returncode == 2
    assert "Usage: vm" in done.stdout + done.stderr


def test_qemu_args_are_split_for_run_only() -> None:
    assert cli.split_qemu_args(["run", "i", "--", "-s", "--", "x"]) == (["run", "i"], ["-s", "--", "x"])
    assert cli.split_qemu_args(["run", "i"]) == (["run", "i"], [])
    assert cli.split_qemu_args(["ssh", "a", "--", "ls"]) == (["ssh", "a", "--", "ls"], [])


def test_man_page_has_every_option_and_no_other() -> None:
    root = cli.command()
    wanted: set[str] = {"--version", "--help", "-h"}
    for parameter in root.params:
        wanted |= set(parameter.opts)
    for name, command in root.commands.items():
        assert f"vm {name}" in MAN.read_text().replace("\\-", "-").replace("\\fB", "").replace("\\fR", ""), name
        for parameter in command.params:
            wanted |= {o for o in (*parameter.opts, *parameter.secondary_opts) if o.startswith("-")}
    text = MAN.read_text().replace("\\-", "-")
    options = text.split(".SH OPTIONS", 1)[-1]
    described: set[str] = set()
    for entry in re.findall(r"^\.TP\n(.*)$", options, re.M):
        described |= set(re.findall(r"(?<![\w-])--?[a-zA-Z0-9][a-z-]*", re.sub(r"\\f[BRIP]", "", entry)))
    assert described == wanted
