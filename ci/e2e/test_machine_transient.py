# SPDX-License-Identifier: MIT
"""One boot of the hello image without a data disk: system.ini comes from fw_cfg, and nothing persists."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness.machine import STOP_LIMIT, Machine, Timing

INI = """\
# Written for the test; one key of each kind.
hostname = orchid
timezone = Asia/Tokyo
ssh_pubkey =
  {key}
"""
HOST_KEY = "cat /etc/ssh/ssh_host_ed25519_key.pub"
Start = Callable[[str], Machine]


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture(scope="module")
def start(
    hello_image: Path,
    ssh_key: Path,
    cache: Path,
    timing: Timing,
    watched: list[Machine],
    tmp_path_factory: pytest.TempPathFactory,
) -> Start:
    """A machine by its name."""
    work = tmp_path_factory.mktemp("transient")
    ini = work / "system.ini"
    ini.write_text(INI.format(key=ssh_key.with_suffix(".pub").read_text().strip()))
    options = ("--system-ini", ini)

    def made(name: str) -> Machine:
        machine = Machine(
            name, hello_image, work=work, keep=cache / "logs", key=ssh_key, options=options, timing=timing
        )
        watched.append(machine)
        return machine

    return made


@pytest.fixture(scope="module")
def machine(start: Start, hello_image: Path) -> Iterator[Machine]:
    before = digest(hello_image)
    with start("e2e-transient") as machine:
        machine.booted()
        yield machine
    assert digest(hello_image) == before


@pytest.fixture
def another_host_key(start: Start, host_keys: dict[str, str]) -> str:
    """That of a machine of the same image, which other tests have booted; else it is booted for this."""
    if not host_keys:
        with start("e2e-another") as other:
            host_keys[other.name] = other.out(HOST_KEY)
    return next(iter(host_keys.values()))


def test_pid_1_is_systemd_after_genpack_init(machine: Machine) -> None:
    assert machine.out("cat /proc/1/comm") == "systemd"
    state = json.loads(machine.out("cat /run/genpack-init.json"))
    assert state["failed"] == 0
    assert state["run"] >= 5


def test_hostname_outranks_the_command_line(machine: Machine) -> None:
    assert "systemd.hostname=e2e-transient" in machine.out("cat /proc/cmdline")
    assert machine.out("cat /proc/sys/kernel/hostname; cat /etc/hostname").split() == ["orchid", "orchid"]


def test_timezone(machine: Machine) -> None:
    assert machine.out("readlink /etc/localtime").endswith("zoneinfo/Asia/Tokyo")
    assert machine.out("date +%Z") == "JST"


def test_ssh_key_is_that_of_system_ini_for_root_and_the_login_user(machine: Machine, ssh_key: Path) -> None:
    # The login itself proves it for root: the VM was given no other key.
    for home, user in (("/root", "root"), ("/home/hello", "hello")):
        owners = machine.out(f"stat -c '%U %a' {home}/.ssh {home}/.ssh/authorized_keys").splitlines()
        assert owners == [f"{user} 700", f"{user} 600"]
        keys = machine.out(f"cat {home}/.ssh/authorized_keys").splitlines()
        assert keys == [ssh_key.with_suffix(".pub").read_text().strip()]
    assert machine.out("id -un", user="hello") == "hello"


def test_another_key_does_not_get_in(machine: Machine, tmp_path: Path) -> None:
    other = tmp_path / "other"
    machine_key, machine.key = machine.key, other
    try:
        from harness.commands import run

        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other).ok()
        assert machine.ssh("true").status == 125
    finally:
        machine.key = machine_key


def test_command_status_is_passed_on(machine: Machine) -> None:
    assert machine.ssh("exit 7").status == 7


def test_guest_agent_answers(machine: Machine) -> None:
    assert machine.out("systemctl is-active qemu-guest-agent") == "active"
    machine.vm("wait", machine.name, "--for", "agent", "--timeout", "30").ok()


def test_hello_service_greeted(machine: Machine) -> None:
    assert machine.out("cat /run/hello/greeting") == "Hello from hello on orchid"
    assert "hello: Hello from hello on orchid" in machine.out("dmesg")
    machine.console.wait("hello: Hello from hello on orchid", 5)


def test_build_scripts_ran_as_root_and_as_the_user(machine: Machine) -> None:
    motd = machine.out("cat /etc/motd").splitlines()
    assert motd[0] == "This is hello, the smallest genpack image."
    assert motd[1].startswith("Profile paravirt, ")
    assert machine.out("cat made-at-build; stat -c %U made-at-build", user="hello").splitlines() == [
        "Made by hello for hello",
        "hello",
    ]
    assert machine.ssh("ls /build.d /build").status != 0


def test_no_compiler_header_or_portage(machine: Machine) -> None:
    for program in ("gcc", "cc", "g++", "make", "ld", "as", "emerge", "ebuild"):
        assert machine.ssh(f"command -v {program}").status != 0, program
    assert machine.out("find /usr/include /var/db/pkg /var/db/repos /etc/portage 2>/dev/null | head") == ""
    assert machine.ssh("python3 -c 'import portage'").status != 0


def test_identity_was_made_at_this_boot(machine: Machine) -> None:
    assert len(machine.out("cat /etc/machine-id")) == 32


def test_host_key_is_no_other_machines(machine: Machine, another_host_key: str) -> None:
    """The image has none (test_hello_image.py): two machines of one image have two."""
    own, other = machine.out(HOST_KEY).split(), another_host_key.split()
    assert own[0] == other[0] == "ssh-ed25519"
    assert own[1] != other[1]


def test_root_is_an_overlay_over_memory(machine: Machine) -> None:
    assert machine.out("findmnt -no FSTYPE /") == "overlay"
    # dracut moves the mounts below /run along with it; the kernel still lists them.
    kinds = dict(
        line.split()
        for line in machine.out("awk '$2 ~ \"^/run/initramfs/r\" {print $2, $3}' /proc/mounts").splitlines()
    )
    assert kinds == {"/run/initramfs/ro": "squashfs", "/run/initramfs/rw": "tmpfs"}
    machine.out("echo gone > /root/file && sync")


def test_a_name_that_is_taken(machine: Machine) -> None:
    result = machine.vm("run", "--name", machine.name, "--detach", machine.image)
    assert result.status in {1, 2}, str(result)
    assert len(result.error_lines("vm")) == 1, str(result)
    assert machine.name in result.stderr
    assert "Traceback" not in result.stderr
    assert machine.is_running()


def test_exec_is_the_command_byte_by_byte(machine: Machine) -> None:
    argv = [
        "vm",
        "exec",
        machine.name,
        "--",
        "sh",
        "-c",
        "head -c 300000 /dev/urandom | tee /run/blob; cat >&2 /run/blob; exit 42",
    ]
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=os.environ | machine.env
    )
    assert done.returncode == 42
    assert len(done.stdout) == 300_000
    assert done.stdout == done.stderr
    assert hashlib.sha256(done.stdout).hexdigest() == machine.out("sha256sum /run/blob").split()[0]


def test_exec_needs_no_shell_and_says_what_failed(machine: Machine) -> None:
    assert machine.vm("exec", machine.name, "echo", "$HOME", "a  b", "--").ok().stdout == "$HOME a  b --\n"
    assert machine.vm("exec", machine.name, "sh", "-c", "kill -9 $$").status == 128 + 9
    missing = machine.vm("exec", machine.name, "no-such-program")
    assert (missing.status, len(missing.error_lines("vm"))) == (125, 1), str(missing)
    assert "no-such-program" in missing.stderr


def test_exec_that_takes_too_long_is_killed(machine: Machine) -> None:
    late = machine.vm("exec", "--timeout", "3", machine.name, "sleep", "98765")
    assert (late.status, late.error_lines("vm")) == (124, ["vm: error: sleep did not end in 3 s; it was killed"])
    assert machine.vm("exec", machine.name, "pgrep", "-f", "^sleep 98765").status == 1


def test_two_commands_at_once(machine: Machine) -> None:
    """One that waits for the other: the guest agent is not held while a command runs."""
    argv = ["vm", "exec", machine.name, "sh", "-c", "until [ -e /run/go ]; do sleep 0.2; done; echo went"]
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=os.environ | machine.env
    ) as first:
        try:
            machine.vm("exec", machine.name, "touch", "/run/go").ok()
            out, _ = first.communicate(timeout=120)
        finally:
            first.kill()
    assert (first.returncode, out) == (0, b"went\n")


def test_scp_there_and_back(machine: Machine, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "a b").write_bytes(bytes(range(256)) * 1000)
    scp = ("scp", "-i", machine.key)
    machine.vm(*scp, "-r", tree, f"{machine.name}:/run/").ok()
    machine.vm(*scp, f"hello@{machine.name}:/run/tree/sub/a b", tmp_path / "back").ok()
    assert (tmp_path / "back").read_bytes() == (tree / "sub" / "a b").read_bytes()
    missing = machine.vm(*scp, f"{machine.name}:/no/such", tmp_path)
    assert (missing.status, len(missing.error_lines("vm"))) == (1, 1), str(missing)
    known = Path(machine.env["VM_RUN_ROOT"]) / machine.name / "known_hosts"
    assert known.read_text().startswith(f"{machine.name} ")


def test_show_and_wait(machine: Machine) -> None:
    shown = json.loads(machine.vm("show", machine.name).ok().stdout)
    assert (shown["version"], shown["state"], shown["arch"]) == (1, "running", "x86_64")
    assert shown == {"version": 1, **machine.info(), "status": shown["status"], "problem": shown["problem"]}
    assert Path(shown["sockets"]["console"]).is_socket()
    for goal in ("ssh", "agent", "systemd"):
        machine.vm("wait", machine.name, "--for", goal, "--timeout", "60", timeout=90).ok()


def test_power_off_and_console(machine: Machine) -> None:
    known = Path(machine.env["VM_RUN_ROOT"]) / machine.name
    assert known.is_dir()
    shown = machine.vm("stop", "-c", machine.name, timeout=STOP_LIMIT).ok().stdout
    assert shown.rstrip().endswith("reboot: Power down"), shown[-500:]
    assert not known.exists()
    assert not machine.is_running()
    assert machine.console.trouble() == []
    missing = machine.vm("ssh", machine.name, "true")
    assert (missing.status, len(missing.error_lines("vm"))) == (125, 1), str(missing)
