# SPDX-License-Identifier: MIT
"""The VM's serial console (a connection to its hub) on this process's stdin and stdout.

The terminal is in raw mode while this runs, so every key goes to the guest, Ctrl-C too; Ctrl-] is ours. When stdin is
no terminal, or belongs to another foreground job, there is output only.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import stat
import sys
import termios
import tty
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

ESCAPE = b"\x1d"  # Ctrl-]
_PIECE = 4096  # bytes; PIPE_BUF: a pipe that polls writable takes this much without blocking


class Terminal:
    """Raw mode of a terminal; a context manager that restores it on every way out."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._saved: list[Any] | None = None

    @staticmethod
    def usable(fd: int) -> bool:
        """True when `fd` is a terminal and we are its foreground job (else the first read would stop us)."""
        try:
            return os.isatty(fd) and os.tcgetpgrp(fd) == os.getpgrp()
        except OSError:
            return False

    def raw(self) -> None:
        """Pass every key on as it is. Output processing stays on, so that our own lines look right."""
        mode = termios.tcgetattr(self.fd)
        mode[tty.IFLAG] &= ~(termios.BRKINT | termios.ICRNL | termios.INPCK | termios.ISTRIP | termios.IXON)
        mode[tty.CFLAG] = mode[tty.CFLAG] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
        mode[tty.LFLAG] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG)
        mode[tty.CC][termios.VMIN], mode[tty.CC][termios.VTIME] = 1, 0
        termios.tcsetattr(self.fd, termios.TCSADRAIN, mode)

    def __enter__(self) -> Self:
        self._saved = termios.tcgetattr(self.fd)
        self.raw()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        if self._saved is not None:
            # In the background now (a job control shell took the terminal), setting it would stop this process.
            previous = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            try:
                termios.tcsetattr(self.fd, termios.TCSADRAIN, self._saved)
            except termios.error:
                pass  # the terminal is gone
            finally:
                signal.signal(signal.SIGTTOU, previous)


class Console:
    """Copies between a connection and stdin/stdout, in the running event loop, until `close`.

    on_escape: Ctrl-] was typed; on_hangup: the terminal or the reader is gone; on_end: nothing more will come.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        keys: bool,
        on_escape: Callable[[], None],
        on_hangup: Callable[[], None],
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._keys = keys
        self._on_escape = on_escape
        self._on_hangup = on_hangup
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        connection.setblocking(False)
        self._socket: socket.socket | None = connection
        self._input = sys.stdin.fileno() if keys else -1
        self._output = sys.stdout.fileno()
        # epoll knows no regular files; they never block either.
        self._pollable = not stat.S_ISREG(os.fstat(self._output).st_mode)
        self._to_guest = bytearray()
        self._to_user = b""
        self._silent = False
        self._loop.add_reader(connection, self._from_guest)
        if keys:
            self._loop.add_reader(self._input, self._from_user)

    def _from_guest(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._socket)
            self._on_end()
            return
        if self._silent:
            return
        self._to_user = data
        if not self._pollable:
            self._flush()
            return
        # stdout may be slow (a stopped pager): wait for it without stopping timers and signals.
        self._loop.remove_reader(self._socket)
        try:
            self._loop.add_writer(self._output, self._writable)
        except PermissionError:
            self._pollable = False
            self._writable()

    def _writable(self) -> None:
        self._flush()
        if self._to_user:
            return  # a non-blocking stdout that took less than it promised
        if self._pollable:
            self._loop.remove_writer(self._output)
        if self._socket is not None:
            self._loop.add_reader(self._socket, self._from_guest)

    def _flush(self) -> None:
        data, self._to_user = self._to_user, b""
        try:
            while data:
                data = data[os.write(self._output, data) :]
        except BlockingIOError:
            select.select([], [self._output], [], 0.1)
            self._to_user = data
        except OSError:
            self._hang_up()

    def _hang_up(self) -> None:
        if not self._silent:
            self._silent = True
            self._on_hangup()

    def _from_user(self) -> None:
        try:
            data = os.read(self._input, _PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._input)
            self._hang_up()
            return
        escapes = data.count(ESCAPE)
        self._to_guest += data.replace(ESCAPE, b"")
        self._send()
        for _ in range(escapes):
            self._on_escape()

    def _send(self) -> None:
        if self._socket is None or not self._to_guest:
            return
        try:
            sent = self._socket.send(self._to_guest)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._to_guest.clear()
            return
        del self._to_guest[:sent]
        if self._to_guest:
            self._loop.add_writer(self._socket, self._send)
        else:
            self._loop.remove_writer(self._socket)

    def close(self, rest: bytes = b"") -> None:
        """Stop copying; show what the connection still holds, then `rest`."""
        if self._keys:
            self._loop.remove_reader(self._input)
        if self._pollable:
            self._loop.remove_writer(self._output)
        if self._socket is None:
            return
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        while not self._silent:
            while self._to_user and not self._silent:
                self._flush()
            try:
                self._to_user = self._socket.recv(_PIECE)
            except OSError:
                self._to_user = b""
            if not self._to_user:
                self._to_user, rest = rest, b""
            if not self._to_user:
                break
        self._socket.close()
        self._socket = None
