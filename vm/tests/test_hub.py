# SPDX-License-Identifier: MIT
"""The console for many clients: all see all, all may type, a slow one stops nobody; `vm console` on a real QEMU."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from conftest import Tty, Vm
from genpack_vm.errors import VmError
from genpack_vm.hub import LIMIT, Hub


@pytest.fixture
def folder(run_root: Path) -> Iterator[Path]:
    """Short: a socket's path has 107 bytes."""
    yield run_root


@contextlib.asynccontextmanager
async def hub_of(folder: Path) -> AsyncIterator[tuple[Hub, socket.socket]]:
    """A hub and the guest's end of its serial line."""
    hub = Hub(folder / "serial", folder / "console")
    with socket.socket(socket.AF_UNIX) as listening:
        connecting = asyncio.ensure_future(hub.connect())
        await asyncio.sleep(0)  # there is no socket yet: it tries again
        listening.bind(str(folder / "serial"))
        listening.listen()
        await connecting
        guest, _ = listening.accept()
        guest.setblocking(False)
        with guest:
            yield hub, guest


def client(folder: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(folder / "console"))
    connection.setblocking(False)
    return connection


async def read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := await asyncio.get_running_loop().sock_recv(connection, 65536)):
        data += piece
    return data


def test_all_see_all_and_all_type(folder: Path) -> None:
    async def work() -> None:
        async with hub_of(folder) as (hub, guest):
            loop = asyncio.get_running_loop()
            clients = [client(folder) for _ in range(3)]
            for number, each in enumerate(clients):
                await loop.sock_sendall(each, b"%d" % number)
                assert await read(guest, 1) == b"%d" % number
            await loop.sock_sendall(guest, b"hello\xff\x00")
            assert [await read(each, 7) for each in clients] == [b"hello\xff\x00"] * 3
            clients.pop().close()
            await loop.sock_sendall(guest, b"again")
            assert [await read(each, 5) for each in clients] == [b"again"] * 2
            guest.send(b"last words")
            assert hub.close() == b""
            assert [await read(each, 99) for each in clients] == [b"last words"] * 2
            for each in clients:
                each.close()

    asyncio.run(work())


def test_one_that_does_not_read_is_dropped(folder: Path) -> None:
    async def work() -> None:
        async with hub_of(folder) as (hub, guest):
            lazy, eager = client(folder), client(folder)
            with lazy, eager:
                total = 4 * LIMIT
                sending = asyncio.ensure_future(asyncio.get_running_loop().sock_sendall(guest, bytes(total)))
                assert len(await read(eager, total)) == total
                await sending
                assert len(await read(lazy, total)) < total
            hub.close()

    asyncio.run(work())


def test_the_guest_waits_for_the_patient_one(folder: Path) -> None:
    async def work() -> None:
        async with hub_of(folder) as (hub, guest):
            terminal = hub.patient()
            terminal.setblocking(False)
            total = 4 * LIMIT
            data = bytes(range(256)) * (total // 256)
            sending = asyncio.ensure_future(asyncio.get_running_loop().sock_sendall(guest, data))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(sending), 0.3)
            assert await read(terminal, total) == data
            await sending
            # Nothing is lost at the end either.
            filled = 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    filled += guest.send(bytes(4096))
                    await asyncio.sleep(0)
            rest = hub.close()
            assert len(await read(terminal, total)) + len(rest) == filled
            terminal.close()

    asyncio.run(work())


def test_no_place_for_the_socket(folder: Path) -> None:
    async def work() -> None:
        with pytest.raises(VmError, match=r"cannot make .*none/console: No such file"):
            Hub(folder / "serial", folder / "none" / "console")

    asyncio.run(work())


@pytest.mark.qemu
def test_consoles_of_a_vm_on_a_terminal(vm: Vm, tty: Callable[..., Tty], stub_image: Path) -> None:
    """Two at once beside the terminal it was started on; Ctrl-] leaves one, and the VM runs on."""
    own = tty("run", stub_image)
    own.until("STUB GUEST")
    vm.up("stub")
    first, second = tty("console", "stub"), tty("console", "stub")
    for terminal in (first, second):
        terminal.until("the console of stub; Ctrl-] leaves it")
    vm.until(lambda: raw(first) and raw(second))
    first.type(b"abc")
    for terminal in (own, first, second):
        terminal.until("abc")
    first.type(b"\x1d")
    first.until("stub runs on")
    assert first.child.wait(20) == 0
    assert not raw(first)
    second.type(b"xyz\x03")
    own.until("xyz\x03")
    own.type(b"q")
    second.until("stub has ended")
    assert (own.child.wait(20), second.child.wait(20)) == (0, 0)


def raw(terminal: Tty) -> bool:
    import termios

    return not termios.tcgetattr(terminal.slave)[3] & termios.ICANON


@pytest.mark.qemu
def test_stop_shows_the_console(vm: Vm, stub_image: Path, deaf_image: Path) -> None:
    assert vm("run", "--detach", stub_image).returncode == 0
    vm.until(lambda: "STUB GUEST" in (vm.root / "stub" / "console.log").read_text())
    done = vm("stop", "-c", "stub")
    assert (done.returncode, done.stdout) == (0, "POWER BUTTON\n")
    assert vm("run", "--detach", deaf_image).returncode == 0
    late = vm("stop", "-c", "--wait-timeout", "0.5", "deaf")
    assert late.returncode == 124
    assert vm("stopall", "-f").returncode == 0
    assert vm("list", "-q").stdout == ""
    assert vm("stopall").returncode == 0
