# SPDX-License-Identifier: MIT
"""The serial console for any number of clients at once.

QEMU's socket takes one client. This process, which owns the VM, is that client: it listens on console.sock, gives what
the guest prints to every client, and what any of them types to the guest. It runs in the owner's event loop.

The foreground's own terminal is the patient client: for it the guest waits. Another client that does not read is
dropped after LIMIT bytes, so that nobody's stopped terminal can stop the guest.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path

from genpack_vm.errors import VmError

LIMIT = 1 << 20  # bytes kept for a client that does not read
_PATIENCE = 64 << 10  # bytes kept for the patient one before the guest has to wait
_TYPED = 64 << 10  # bytes typed that the guest has not taken, before clients have to wait
_PIECE = 65536


class _Client:
    def __init__(self, connection: socket.socket, *, patient: bool) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.patient = patient
        self.pending = bytearray()


class Hub:
    """Between QEMU's serial socket `serial` and the clients of `listen`. Make it inside the event loop."""

    def __init__(self, serial: Path, listen: Path) -> None:
        self._serial_path = serial
        self._loop = asyncio.get_running_loop()
        self._clients: list[_Client] = []
        self._serial: socket.socket | None = None
        self._to_guest = bytearray()
        self._reading = False
        self._listener = socket.socket(socket.AF_UNIX)
        try:
            self._listener.bind(os.fspath(listen))
            self._listener.listen()
        except OSError as e:
            self._listener.close()
            raise VmError(f"cannot make {listen}: {e.strerror}") from e
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._accept)

    def patient(self) -> socket.socket:
        """A connection for the VM's own terminal; the guest waits when it is not read."""
        ours, theirs = socket.socketpair()
        self._add(_Client(ours, patient=True))
        return theirs

    async def connect(self) -> None:
        """Wait for QEMU's socket. It listens long before the guest's first instruction, so no output is lost."""
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(os.fspath(self._serial_path))
            except OSError:
                connection.close()
                await asyncio.sleep(0.005)
                continue
            connection.setblocking(False)
            self._serial = connection
            self._balance()
            self._type()
            return

    def _add(self, client: _Client) -> None:
        self._clients.append(client)
        self._loop.add_reader(client.socket, self._from_client, client)

    def _accept(self) -> None:
        with suppress(OSError):
            connection, _ = self._listener.accept()
            self._add(_Client(connection, patient=False))

    def _drop(self, client: _Client) -> None:
        if client in self._clients:
            self._clients.remove(client)
            self._loop.remove_reader(client.socket)
            self._loop.remove_writer(client.socket)
            client.socket.close()
            self._balance()

    def _balance(self) -> None:
        """Read from the guest unless the patient client has enough to do."""
        if self._serial is None:
            return
        wanted = all(len(c.pending) < _PATIENCE for c in self._clients if c.patient)
        if wanted and not self._reading:
            self._loop.add_reader(self._serial, self._from_guest)
        elif not wanted and self._reading:
            self._loop.remove_reader(self._serial)
        self._reading = wanted

    def _from_guest(self) -> None:
        assert self._serial is not None
        try:
            data = self._serial.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._serial)
            self._loop.remove_writer(self._serial)
            self._serial.close()
            self._serial, self._reading = None, False
            return
        self._spread(data)

    def _spread(self, data: bytes) -> None:
        for client in list(self._clients):
            client.pending += data
            self._show(client)
            if not client.patient and len(client.pending) > LIMIT:
                self._drop(client)

    def _show(self, client: _Client) -> None:
        try:
            sent = client.socket.send(client.pending) if client.pending else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(client)
            return
        del client.pending[:sent]
        if client.pending:
            self._loop.add_writer(client.socket, self._show, client)
        else:
            self._loop.remove_writer(client.socket)
        self._balance()

    def _from_client(self, client: _Client) -> None:
        if len(self._to_guest) > _TYPED:
            self._loop.remove_reader(client.socket)  # `_type` puts it back
            return
        try:
            data = client.socket.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        self._to_guest += data
        self._type()

    def _type(self) -> None:
        if self._serial is None or not self._to_guest:
            return
        try:
            sent = self._serial.send(self._to_guest)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = len(self._to_guest)
        del self._to_guest[:sent]
        if self._to_guest:
            self._loop.add_writer(self._serial, self._type)
            return
        self._loop.remove_writer(self._serial)
        for client in self._clients:
            self._loop.add_reader(client.socket, self._from_client, client)

    def close(self) -> bytes:
        """End it, after QEMU has ended: the clients get what it had still written. What the patient one has not got."""
        self._loop.remove_reader(self._listener)
        self._listener.close()
        if self._serial is not None:
            self._loop.remove_reader(self._serial)
            self._loop.remove_writer(self._serial)
            with suppress(OSError):
                while data := self._serial.recv(_PIECE):
                    for client in self._clients:
                        client.pending += data
            self._serial.close()
            self._serial = None
        rest = b""
        for client in list(self._clients):
            with suppress(OSError):
                del client.pending[: client.socket.send(client.pending)]
            if client.patient:
                rest = bytes(client.pending)
            self._drop(client)
        return rest
