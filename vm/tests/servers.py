# SPDX-License-Identifier: MIT
"""Stand-ins for what a QEMU listens with: QMP, the guest agent, and what does not answer."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

GREETING = {"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}
Answer = Callable[[dict[str, object]], object]


@contextlib.contextmanager
def server(path: Path, serve: Callable[[socket.socket], None]) -> Iterator[None]:
    """Serve one connection after the other on a Unix socket."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()

    def loop() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, contextlib.suppress(OSError):
                    serve(connection)

    threading.Thread(target=loop, daemon=True).start()
    try:
        yield
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def silent(connection: socket.socket) -> None:
    while connection.recv(100):
        pass


def talk(connection: socket.socket, answer: Answer, mark: bytes = b"") -> None:
    decoder, text = json.JSONDecoder(), ""
    while data := connection.recv(65536):  # qemu.qmp puts no newline between its messages
        text = (text + data.replace(b"\xff", b"").decode()).lstrip()
        try:
            request, end = decoder.raw_decode(text)
        except ValueError:
            continue
        text = text[end:]
        reply = answer(request)
        if reply is None:
            return
        if isinstance(reply, dict) and "id" in request:
            reply["id"] = request["id"]
        prefix = mark if request["execute"] == "guest-sync-delimited" else b""
        connection.sendall(prefix + json.dumps(reply).encode() + b"\n")


def qemu(answer: Answer) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        connection.sendall(json.dumps(GREETING).encode() + b"\n")
        talk(connection, lambda r: {"return": {}} if r["execute"] == "qmp_capabilities" else answer(r))

    return serve


class GuestAgent:
    """A guest agent whose programs end at once, as `programs` says: path -> (status, stdout, stderr).

    One that is not in it is refused; one whose status is None runs until it is killed by `kill`.
    """

    def __init__(self, programs: dict[str, tuple[int | None, bytes, bytes]]) -> None:
        self.programs = programs
        self.started: list[tuple[str, list[str], bytes | None]] = []
        self.killed: set[int] = set()
        self.truncates = False
        self.sessions = 0

    def answer(self, request: dict[str, object]) -> object:
        arguments = request["arguments"]
        assert isinstance(arguments, dict)
        if request["execute"] == "guest-sync-delimited":
            self.sessions += 1
            return {"return": arguments["id"]}
        if request["execute"] == "guest-ping":
            return {"return": {}}
        if request["execute"] == "guest-exec":
            return self._start(arguments)
        if request["execute"] == "guest-exec-status":
            return self._status(arguments["pid"])
        return {"error": {"class": "CommandNotFound", "desc": "no such command"}}

    def _start(self, arguments: dict[str, object]) -> object:
        path, words, data = arguments["path"], arguments["arg"], arguments.get("input-data")
        assert isinstance(path, str) and isinstance(words, list)
        if path == "kill":
            self.killed.add(int(words[1]))
        elif path not in self.programs:
            return {"error": {"class": "GenericError", "desc": f"Failed to execute child process {path}"}}
        self.started.append((path, words, None if data is None else base64.b64decode(str(data))))
        return {"return": {"pid": len(self.started)}}

    def _status(self, pid: int) -> object:
        path = self.started[pid - 1][0]
        if path == "kill":
            return {"return": {"exited": True, "exitcode": 0}}
        status, out, err = self.programs[path]
        if status is None:
            return {"return": {"exited": True, "signal": 9} if pid in self.killed else {"exited": False}}
        result: dict[str, object] = {"exited": True, "exitcode": status}
        for key, data in (("out-data", out), ("err-data", err)):
            if data:
                result[key] = base64.b64encode(data).decode()
        if self.truncates:
            result["out-truncated"] = True
        return {"return": result}

    def serve(self, connection: socket.socket) -> None:
        connection.sendall(b'{"return": 1}\n')  # what an earlier client did not wait for
        talk(connection, self.answer, mark=b"\xff")
