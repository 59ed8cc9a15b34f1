# SPDX-License-Identifier: MIT
"""`vm exec` against a guest agent of the test's own: bytes, status, time limits, and an agent left to others."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from conftest import FakeVm
from genpack_vm import cli, guestexec
from genpack_vm.agent import AgentError
from genpack_vm.errors import WaitTimeoutError
from servers import GuestAgent, server, silent

Make = Callable[[str], FakeVm]
EVERY_BYTE = bytes(range(256)) * 64


def test_bytes_and_status(fake_vm: Make, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    agent = GuestAgent({"prog": (42, EVERY_BYTE, b"\xff\x00err"), "true": (0, b"", b"")})
    with server(fake_vm("a").files.qga, agent.serve):
        assert cli.execute(["exec", "a", "--", "prog", "-l", "--", "x y", ""]) == 42
        assert capfdbinary.readouterr() == (EVERY_BYTE, b"\xff\x00err")
        assert cli.execute(["exec", "a", "true"]) == 0
        assert capfdbinary.readouterr() == (b"", b"")
    assert agent.started == [("prog", ["-l", "--", "x y", ""], None), ("true", [], None)]


@pytest.mark.parametrize(
    ("words", "argv"),
    [
        (["exec", "a", "p"], ["p"]),
        (["exec", "a", "--", "p", "--", "-x"], ["p", "--", "-x"]),
        (["exec", "a", "p", "--", "y"], ["p", "--", "y"]),
        (["exec", "--timeout", "9", "a", "p", "--timeout", "x"], ["p", "--timeout", "x"]),
        (["exec", "--timeout", "9", "a", "--", "p"], ["p"]),
    ],
)
def test_words(fake_vm: Make, words: list[str], argv: list[str]) -> None:
    """The same with options before the name, which typer reads, and without."""
    agent = GuestAgent({"p": (5, b"", b"")})
    with server(fake_vm("a").files.qga, agent.serve):
        assert cli.execute(words) == 5
    assert agent.started == [(argv[0], argv[1:], None)]


def test_stdin_of_a_program(fake_vm: Make) -> None:
    agent = GuestAgent({"cat": (0, b"", b"")})
    vm = fake_vm("a")
    with server(vm.files.qga, agent.serve):
        guestexec.run(vm.files, ["cat"], stdin=EVERY_BYTE)
    assert agent.started == [("cat", [], EVERY_BYTE)]


def test_output_that_the_agent_cut(fake_vm: Make, capfd: pytest.CaptureFixture[str]) -> None:
    agent = GuestAgent({"yes": (0, b"y\n", b"")})
    agent.truncates = True
    with server(fake_vm("a").files.qga, agent.serve):
        assert cli.execute(["exec", "a", "yes"]) == 0
    assert "the output is cut there" in capfd.readouterr().err


def test_timeout_kills(fake_vm: Make, capfd: pytest.CaptureFixture[str]) -> None:
    agent = GuestAgent({"sleep": (None, b"", b"")})
    vm = fake_vm("a")
    with server(vm.files.qga, agent.serve):
        with pytest.raises(WaitTimeoutError, match=r"sleep did not end in 0\.3 s; it was killed"):
            guestexec.run(vm.files, ["sleep", "99"], timeout=0.3)
        assert agent.killed == {1}
        assert cli.execute(["exec", "--timeout", "0.2", "a", "--", "sleep", "99"]) == 124
    assert "vm: error: sleep did not end in 0.2 s" in capfd.readouterr().err


def test_agent_is_left_to_others(fake_vm: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long command is looked after in short sessions: another one gets its turn in between."""
    monkeypatch.setattr(guestexec, "_FIRST", 0.1)
    agent = GuestAgent({"sleep": (None, b"", b""), "true": (0, b"", b"")})
    vm = fake_vm("a")
    with server(vm.files.qga, agent.serve), pytest.raises(WaitTimeoutError):
        guestexec.run(vm.files, ["sleep", "99"], timeout=1)
    assert agent.sessions > 2


def test_an_agent_that_pauses(fake_vm: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a command runs, a busy guest may be silent for a while; not for ever."""
    monkeypatch.setattr(guestexec, "_FIRST", 0.05)
    monkeypatch.setattr(guestexec, "_ANSWER", 0.2)
    agent = GuestAgent({"slow": (None, b"", b"")})
    vm = fake_vm("a")
    connections = 0

    def serve(connection: socket.socket) -> None:
        nonlocal connections
        connections += 1
        if connections in (2, 3):
            silent(connection)
            return
        if connections == 5:
            agent.programs["slow"] = (6, b"late", b"")
        agent.serve(connection)

    with server(vm.files.qga, serve):
        assert guestexec.run(vm.files, ["slow"]).status == 6
        monkeypatch.setattr(guestexec, "_SILENCE", 0.1)
        agent.programs["slow"] = (None, b"", b"")
        connections = 0
        with pytest.raises(AgentError, match="does not answer"):
            guestexec.run(vm.files, ["slow"])
    assert connections == 2


def test_killed_by_a_signal(fake_vm: Make) -> None:
    agent = GuestAgent({"self": (None, b"", b"")})
    agent.killed = {1}
    with server(fake_vm("a").files.qga, agent.serve):
        assert cli.execute(["exec", "a", "self"]) == 128 + 9


def test_own_failures_are_125(
    fake_vm: Make, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guestexec, "_ANSWER", 0.3)
    vm = fake_vm("a")
    with server(vm.files.qga, GuestAgent({}).serve):
        assert cli.execute(["exec", "a", "--", "none"]) == 125
    assert "a: the guest agent refused: Failed to execute child process none" in capfd.readouterr().err
    with server(vm.files.qga, silent):
        assert cli.execute(["exec", "a", "--", "true"]) == 125
    assert "is qemu-guest-agent in the image?" in capfd.readouterr().err
    vm.files.qga.unlink()
    with pytest.raises(AgentError, match=r"cannot connect to .*: No such file"):
        guestexec.run(vm.files, ["true"])
