# SPDX-License-Identifier: MIT
"""The console of a running VM, from another process: `vm console`, `vm stop -c`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from pathlib import Path

from genpack_vm import info, log, rundir
from genpack_vm.console import Console, Terminal
from genpack_vm.errors import InterruptError, VmError
from genpack_vm.identity import check_name


def connect(top: Path, name: str) -> socket.socket:
    """A connection to the VM's console; there may be others."""
    path = rundir.Files(top / name).console
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(5)
        connection.connect(os.fspath(path))
    except OSError as e:
        connection.close()
        why = e.strerror or str(e)
        raise VmError(f"cannot connect to the console of {name} ({path}): {why}", tip=f"vm list shows {name}") from e
    return connection


class _Session:
    """One stay at the console."""

    def __init__(self, name: str, connection: socket.socket, terminal: Terminal | None) -> None:
        self._name = name
        self._connection = connection
        self._terminal = terminal
        self.ended = False  # the VM's end, not ours
        self._cause: VmError | None = None

    async def stay(self, timeout: float | None) -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def end() -> None:
            self.ended = True
            done.set()

        def interrupt(signum: int) -> None:
            self._cause = InterruptError(signum, f"left the console of {self._name}: {signal.Signals(signum).name}")
            done.set()

        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(signum, interrupt, signum)
        if self._terminal is not None:
            loop.add_signal_handler(signal.SIGCONT, self._terminal.raw)
        console = Console(
            self._connection,
            keys=self._terminal is not None,
            on_escape=done.set,
            on_hangup=done.set,
            on_end=end,
        )
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), timeout)
        finally:
            console.close()
        if self._cause is not None:
            raise self._cause


def follow(name: str, connection: socket.socket, *, keys: bool, timeout: float | None) -> bool:
    """Show the console until the VM ends (True), the user leaves or `timeout` seconds pass (False)."""
    with contextlib.ExitStack() as stack:
        usable = keys and Terminal.usable(0)
        session = _Session(name, connection, stack.enter_context(Terminal(0)) if usable else None)
        if usable:
            log.info(f"the console of {name}; Ctrl-] leaves it")
        asyncio.run(session.stay(timeout))
    return session.ended


def console(name: str) -> None:
    """`vm console`: returns when the user leaves or the VM ends."""
    top = rundir.root_of_user()
    info.find_running(top, check_name(name))
    if follow(name, connect(top, name), keys=True, timeout=None):
        log.info(f"{name} has ended, or its console is lost")
    else:
        log.info(f"{name} runs on")
