# SPDX-License-Identifier: MIT
"""stop, wait and ssh against VMs that hang, vanish or refuse: each ends in a message, none waits without end."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import FakeVm
from genpack_vm import cli, info, qmp, ssh, stopping, vsock, waiting
from genpack_vm.agent import Agent, AgentError
from genpack_vm.errors import NotRunningError, QmpError, UsageError, VmError, WaitTimeoutError
from genpack_vm.waiting import Goal
from servers import GuestAgent, qemu, server, silent

Make = Callable[[str], FakeVm]


def stop(*names: str, force: bool = False, wait: bool = False, timeout: float = 0.3) -> None:
    stopping.stop(stopping.StopOptions(names, force=force, wait=wait, timeout=timeout))


def test_stop_nobody(run_root: Path) -> None:
    with pytest.raises(VmError, match="no VM named 'a' is running") as e:
        stop("a")
    assert e.value.status == 1


def test_stop_a_name_that_is_none(run_root: Path) -> None:
    with pytest.raises(UsageError, match="is not a VM name"):
        stop("../etc")


def test_stop_asks(fake_vm: Make) -> None:
    asked: list[object] = []

    def answer(request: dict[str, object]) -> object:
        asked.append(request["execute"])
        return {"return": {}}

    with server(fake_vm("a").files.qmp, qemu(answer)):
        stop("a")
    assert asked == ["system_powerdown"]


def test_stop_wait_ends(fake_vm: Make) -> None:
    with server(fake_vm("a").files.qmp, qemu(lambda r: {"return": {}})):
        begin = time.monotonic()
        with pytest.raises(VmError, match=r"a did not power down in 0\.3 s") as e:
            stop("a", wait=True)
    assert e.value.status == 124
    assert e.value.tip == "end it: vm stop -f a"
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    ("serve", "message"),
    [
        (silent, r"does not answer: nothing came from .*qmp\.sock in 0\.3 s"),
        (lambda connection: None, "cannot talk to QEMU of a through .*: "),
        (lambda connection: connection.sendall(b"no JSON\n"), "cannot talk to QEMU of a"),
        (qemu(lambda r: {"error": {"class": "GenericError", "desc": "not now"}}), "refused system_powerdown: not now"),
        (qemu(lambda r: None), "ended during system_powerdown"),
    ],
)
def test_qmp_failures(fake_vm: Make, serve: Callable[[socket.socket], None], message: str) -> None:
    path = fake_vm("a").files.qmp
    with server(path, serve), pytest.raises(QmpError, match=message):
        qmp.command("a", path, "system_powerdown", 0.3)


def test_qmp_that_stops_answering(fake_vm: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qmp, "TIMEOUT", 0.3)

    def answer(request: dict[str, object]) -> object:
        time.sleep(1)
        return None

    path = fake_vm("a").files.qmp
    with server(path, qemu(answer)), pytest.raises(QmpError, match=r"did not answer system_powerdown in 0\.3 s"):
        qmp.command("a", path, "system_powerdown", 2)


def test_qmp_socket_vanished(fake_vm: Make) -> None:
    vm = fake_vm("a")
    vm.files.qmp.unlink()
    with pytest.raises(VmError, match=r"a is broken: qmp\.sock is gone"):
        stop("a")
    with pytest.raises(QmpError, match="No such file"):
        qmp.command("a", vm.files.qmp, "system_powerdown")


def test_two_stops_one_after_the_other_and_one_bad_name(fake_vm: Make, capsys: pytest.CaptureFixture[str]) -> None:
    answering = server(fake_vm("a").files.qmp, qemu(lambda r: {"return": {}}))
    with answering, pytest.raises(VmError, match="no VM named 'y' is running"):
        stop("x", "a", "y")
    assert "no VM named 'x' is running" in capsys.readouterr().err


def test_force_on_a_vm_without_process_id(fake_vm: Make) -> None:
    fake_vm("a").files.info.write_text("garbage")
    with pytest.raises(VmError, match="a is broken and says no process id"):
        stop("a", force=True)


def test_pid_of_another_process_is_not_signalled(fake_vm: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for patience in ("_DYING", "_POLITE", "_BETWEEN"):
        monkeypatch.setattr(stopping, patience, 0.1)
    monkeypatch.setattr(stopping.signal, "pidfd_send_signal", lambda *a: pytest.fail("a signal was sent"))
    fake_vm("a").write(start_ticks=1, owner_ticks=1)
    with pytest.raises(VmError, match="is still there after SIGKILL"):
        stop("a", force=True)


# wait


def test_wait_for_nobody(run_root: Path) -> None:
    for goal in Goal:
        with pytest.raises(NotRunningError, match="no VM named 'a' is running"):
            waiting.wait("a", goal, 1)


@pytest.mark.parametrize("goal", list(Goal))
def test_wait_ends(fake_vm: Make, goal: Goal) -> None:
    vm = fake_vm("a")
    with socket.create_server(("127.0.0.1", 0)) as mute, server(vm.files.qga, silent):
        vm.write(ports=(info.Port("tcp", "127.0.0.1", mute.getsockname()[1], 22),))
        with pytest.raises(WaitTimeoutError, match=r"did not (reach|shut down).* in 0\.3 s") as e:
            waiting.wait("a", goal, 0.3)
    assert e.value.status == 124


def test_wait_without_forward(fake_vm: Make) -> None:
    fake_vm("a").write(ports=())
    with pytest.raises(VmError, match="has no forwarded SSH port"):
        waiting.wait("a", Goal.SSH, 1)


def test_wait_for_a_broken_one(fake_vm: Make) -> None:
    fake_vm("a").files.info.write_text("garbage")
    with pytest.raises(VmError, match="a is broken"):
        waiting.wait("a", Goal.SSH, 1)


def test_wait_notices_the_end(fake_vm: Make, run_root: Path) -> None:
    vm = fake_vm("a")
    vm.write(ports=(info.Port("tcp", "127.0.0.1", 1, 22),))

    def end() -> None:
        time.sleep(0.3)
        os.close(vm.claim.fd)

    thread = threading.Thread(target=end)
    thread.start()
    with pytest.raises(VmError, match="a ended before it reached ssh"):
        waiting.wait("a", Goal.SSH, 10)
    thread.join()
    vm.claim.fd = os.open(run_root, os.O_RDONLY)  # for the fixture to close


@pytest.mark.parametrize(("status", "raises"), [(0, False), (1, True)])
def test_wait_for_shutdown_tells_how(run_root: Path, status: int, raises: bool) -> None:
    path = info.ended_file(run_root, "a")
    path.parent.mkdir()
    info.write_json(path, {"version": 1, "status": status, "message": "QEMU ended with status 1"})
    with pytest.raises(VmError, match="a ended badly: QEMU ended") if raises else contextlib.nullcontext():
        waiting.wait("a", Goal.SHUTDOWN, 1)


def agent_saying(state: str, status: int = 0) -> Callable[[socket.socket], None]:
    return GuestAgent({"systemctl": (status, f"{state}\n".encode(), b"")}).serve


def test_agent(fake_vm: Make) -> None:
    vm = fake_vm("a")
    with server(vm.files.qga, agent_saying("running")):
        waiting.wait("a", Goal.AGENT, 5)
        with Agent(vm.files, 5) as agent:
            assert agent.run("systemctl", ["is-system-running"]).stdout == b"running\n"
            with pytest.raises(AgentError, match="refused: no such command"):
                agent.execute("guest-none")


def test_systemd(fake_vm: Make, capsys: pytest.CaptureFixture[str]) -> None:
    vm = fake_vm("a")
    with server(vm.files.qga, agent_saying("running")):
        waiting.wait("a", Goal.SYSTEMD, 5)
    assert capsys.readouterr().err == ""
    with server(vm.files.qga, agent_saying("degraded", 1)):
        waiting.wait("a", Goal.SYSTEMD, 5)
    assert "a unit failed" in capsys.readouterr().err
    with server(vm.files.qga, agent_saying("starting", 1)), pytest.raises(WaitTimeoutError):
        waiting.wait("a", Goal.SYSTEMD, 0.4)


def test_agent_lock_is_respected(fake_vm: Make) -> None:
    import fcntl

    vm = fake_vm("a")
    with vm.files.qga_lock.open("w") as other, server(vm.files.qga, agent_saying("running")):
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(AgentError, match="does not answer"), Agent(vm.files, 0.3):
            pass


# ssh


def options_of(argv: list[str]) -> set[str]:
    return {argv[i + 1] for i, word in enumerate(argv) if word == "-o"}


def test_ssh_argv(fake_vm: Make) -> None:
    vm = fake_vm("a")
    argv, address = ssh.argv("ssh", vm.info, vm.files, Path("/k"), batch=True)
    assert (argv[0], address) == ("ssh", "127.0.0.1")
    wanted = {f'UserKnownHostsFile="{vm.files.known_hosts}"', "Port=2222", "HostKeyAlias=a", "BatchMode=yes"}
    wanted |= {"HashKnownHosts=no"}
    assert wanted | {"StrictHostKeyChecking=accept-new", "IdentitiesOnly=yes"} <= options_of(argv)
    assert argv[argv.index("-i") + 1] == "/k"
    assert "BatchMode=yes" not in ssh.argv("ssh", vm.info, vm.files, None, batch=False)[0]


def test_ssh_over_vsock(fake_vm: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over vsock where the guest answers there, or where there is no other way; else by the forwarded port."""
    vm = fake_vm("a")
    vm.write(cid=77)
    monkeypatch.setattr(vsock, "ssh_answers", lambda cid: cid == 77)
    argv, address = ssh.argv("ssh", vm.info, vm.files, None, batch=False)
    assert address == "a"
    proxy = f"ProxyCommand={sys.executable} -m genpack_vm.vsock 77"
    assert {proxy, "ProxyUseFdpass=yes"} <= options_of(argv)
    assert not any(option.startswith("Port=") for option in options_of(argv))
    monkeypatch.setattr(vsock, "ssh_answers", lambda cid: False)
    assert ssh.argv("ssh", vm.info, vm.files, None, batch=False)[1] == "127.0.0.1"
    vm.write(ports=())
    assert ssh.argv("ssh", vm.info, vm.files, None, batch=False)[1] == "a"
    vm.write(cid=None)
    with pytest.raises(VmError, match="a has no forwarded SSH port"):
        ssh.argv("ssh", vm.info, vm.files, None, batch=False)


def test_keys_of_another_home(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    for name in ("id_rsa", "id_rsa.pub", "id_ed25519", "other"):
        (tmp_path / ".ssh" / name).touch()
    found = [path.name for path in ssh.home_keys(tmp_path, Path("/root"))]
    assert found == ["id_ed25519", "id_rsa"]
    assert ssh.home_keys(tmp_path, tmp_path) == []


def test_target() -> None:
    assert ssh.split_target("a") == ("root", "a")
    assert ssh.split_target("user@a") == ("user", "a")
    for bad in ("@a", "user@", "a/b"):
        with pytest.raises(UsageError):
            ssh.split_target(bad)


@pytest.mark.spawn
@pytest.mark.parametrize("status", [0, 1, 42, 124, 125])
def test_ssh_passes_the_status(fake_vm: Make, fake_program: Callable[[str, str], Path], status: int) -> None:
    fake_vm("a")
    fake_program("ssh", f"exit {status}")
    assert ssh.run("a", ["x"], identity=None, timeout=None) == status


@pytest.mark.spawn
def test_ssh_failures(fake_vm: Make, fake_program: Callable[[str, str], Path]) -> None:
    fake_vm("a")
    folder = fake_program("ssh", "exit 255")
    with pytest.raises(VmError, match="ssh to a failed"):
        ssh.run("a", ["x"], identity=None, timeout=None)
    fake_program("ssh", "kill -9 $$")
    with pytest.raises(VmError, match="ssh was killed by SIGKILL"):
        ssh.run("a", ["x"], identity=None, timeout=None)
    fake_program("ssh", "exec sleep 30")
    with pytest.raises(VmError, match=r"did not end in 0\.2 s") as e:
        ssh.run("a", ["x"], identity=None, timeout=0.2)
    assert e.value.status == 124
    with pytest.raises(VmError, match="cannot read the key /none"):
        ssh.run("a", ["x"], identity=Path("/none"), timeout=None)
    (folder / "ssh").unlink()
    os.environ["PATH"] = str(folder)  # fake_program restores it
    with pytest.raises(VmError, match="ssh is required to reach a VM") as e:
        ssh.run("a", ["x"], identity=None, timeout=None)
    assert "openssh-client" in str(e.value.tip)


@pytest.mark.spawn
@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["a", "ls", "-l"], "ls -l"),
        (["a", "--", "ls", "-i"], "ls -i"),
        (["--timeout", "9", "a", "x", "--", "y"], "x -- y"),
    ],
)
def test_ssh_words(
    fake_vm: Make,
    fake_program: Callable[[str, str], Path],
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    command: str,
) -> None:
    """All that follows the name is the command, as it was typed; one `--` may stand between them."""
    fake_vm("a")
    fake_program("ssh", 'while [ "$1" != -- ]; do shift; done; shift 2; echo "$*"; exit 3')
    assert cli.execute(["ssh", *arguments]) == 3
    assert capfd.readouterr().out == f"{command}\n"
