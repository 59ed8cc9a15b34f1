# SPDX-License-Identifier: MIT
"""vsock: the proxy that hands ssh its connection, and `--sock-forward`, over sockets that this machine has."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import check
from genpack_vm import cli, launch, sockforward, vsock
from genpack_vm.errors import UsageError, VmError


def test_proxy_hands_over_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, ssh = socket.socketpair()
    near, far = socket.socketpair()
    monkeypatch.setattr(vsock, "connect", lambda cid, timeout: near if cid == 77 else None)
    stdout = os.dup(1)
    try:
        os.dup2(ssh.fileno(), 1)
        assert vsock.main(["77"]) == 0
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
    message, (fd,), _, _ = socket.recv_fds(ours, 1, 1)
    assert message == b"\0"
    with socket.socket(fileno=fd) as passed:
        passed.send(b"SSH")
    assert far.recv(10) == b"SSH"
    for each in (ours, ssh, far):
        each.close()


def test_proxy_without_a_guest(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(cid: int, timeout: float) -> socket.socket:
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(vsock, "connect", refuse)
    assert vsock.main(["77"]) == 1
    assert capfd.readouterr().err == "vm: error: no connection over vsock to CID 77: Connection reset by peer\n"


def test_nobody_answers_over_vsock() -> None:
    assert not vsock.ssh_answers(0xFFFFFF0, 0.2)


@pytest.mark.parametrize(("greeting", "answers"), [(b"SSH-2.0-x\r\n", True), (b"HTTP", False), (b"", False)])
def test_who_answers(monkeypatch: pytest.MonkeyPatch, greeting: bytes, answers: bool) -> None:
    near, far = socket.socketpair()
    far.sendall(greeting)
    far.close()
    monkeypatch.setattr(vsock, "connect", lambda cid, timeout: near)
    assert vsock.ssh_answers(77) is answers


def test_percent_in_the_proxy_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vsock.sys, "executable", "/opt/100% py/python")
    assert vsock.proxy_command(5) == "'/opt/100%% py/python' -m genpack_vm.vsock 5"


# --sock-forward


def forwarded(folder: Path, is_ours: Callable[[Any], bool], talk: Callable[[str], Any]) -> Any:
    """Run `talk(path of the listener)` while the listener leads to an echo server."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read()  # until the client's end
        writer.write(data[::-1])
        await writer.drain()
        writer.close()

    async def work() -> Any:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(folder / "outer"))
        listener.listen()
        echoing = await asyncio.start_unix_server(echo, str(folder / "inner"))
        forwarding = await sockforward.serve(listener, folder / "inner", is_ours)
        async with echoing, forwarding:
            return await talk(str(folder / "outer"))

    return asyncio.run(work())


async def ask(path: str, data: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(data)
        writer.write_eof()
        return await reader.read()
    except ConnectionResetError:
        return b""  # hung up on, with what was written unread
    finally:
        writer.close()


def test_bytes_go_both_ways(run_root: Path) -> None:
    data = bytes(range(256)) * 4096

    async def talk(path: str) -> list[bytes]:
        return await asyncio.gather(*(ask(path, data[: 1 << n]) for n in range(0, 21, 4)))

    assert forwarded(run_root, lambda peer: True, talk) == [data[: 1 << n][::-1] for n in range(0, 21, 4)]


def test_another_vm_is_not_let_in(run_root: Path) -> None:
    async def talk(path: str) -> bytes:
        return await ask(path, b"secret")

    assert forwarded(run_root, lambda peer: False, talk) == b""


def test_target_that_is_gone(run_root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async def talk(path: str) -> bytes:
        Path(path).with_name("inner").unlink()
        return await ask(path, b"x")

    assert forwarded(run_root, lambda peer: True, talk) == b""
    assert "--sock-forward: cannot connect to" in capfd.readouterr().err


def test_ports_are_counted_from_the_cid(run_root: Path) -> None:
    async def work() -> list[tuple[int, int]]:
        servers = await sockforward.start(900_100, [run_root / "a", run_root / "b"])
        names = [server.sockets[0].getsockname() for server in servers]
        with pytest.raises(VmError, match="cannot listen on vsock port 900101"):
            await sockforward.start(900_101, [run_root / "c"])
        for server in servers:
            server.close()
        return names

    assert [port for _, port in asyncio.run(work())] == [900_100, 900_101]
    assert asyncio.run(sockforward.start(None, [run_root / "a"])) == []


def test_check(tmp_path: Path, run_root: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot look at .*none: No such file"):
        sockforward.check([tmp_path / "none"], vsock=True)
    with pytest.raises(UsageError, match="is no socket"):
        sockforward.check([tmp_path], vsock=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(run_root / "s"))
        assert sockforward.check([run_root / "s"], vsock=True) == (run_root / "s",)
        with pytest.raises(VmError, match="needs vsock"):
            sockforward.check([run_root / "s"], vsock=False)
    assert sockforward.check([], vsock=False) == ()


def test_run_says_so_too(
    run_root: Path,
    home: Path,
    stub_image: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(launch.host, "vsock_usable", lambda: False)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(home / "s"))
        found = cli.execute(["run", "--sock-forward", str(home / "s"), str(stub_image)])
    check((found, *capfd.readouterr()), run_root, "--sock-forward needs vsock", 1)
