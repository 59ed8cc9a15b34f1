# SPDX-License-Identifier: MIT
"""The QEMU guest agent: a small JSON protocol on a socket that leads into the guest.

One client at a time: qga.lock keeps two `vm` processes apart. guest-sync-delimited first, because the channel may
still hold answers that an earlier client did not wait for (qemu-ga protocol reference).
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from genpack_vm.errors import VmError
from genpack_vm.rundir import Files

_SENTINEL = b"\xff"
_LIMIT = 64 << 20  # bytes of one answer


class AgentError(VmError):
    """The guest agent cannot be reached, or refused a command."""


class AgentSilentError(AgentError):
    """It has not answered in time; it may yet."""


@dataclass(frozen=True)
class Done:
    """A program that ended in the guest."""

    status: int
    stdout: bytes
    stderr: bytes
    truncated: bool


class Agent:
    """A session with the agent of one VM; a context manager. `timeout` in seconds covers the whole session."""

    def __init__(self, files: Files, timeout: float) -> None:
        self._files = files
        self._end = time.monotonic() + timeout
        self._buffer = b""
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with self._stack as stack:
            stack.enter_context(self._locked())
            self._socket = stack.enter_context(socket.socket(socket.AF_UNIX))
            self._socket.settimeout(self._left())
            try:
                self._socket.connect(os.fspath(self._files.qga))
            except OSError as e:
                raise AgentError(f"cannot connect to {self._files.qga}: {e.strerror or e}") from e
            self._sync()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    def _left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise AgentSilentError("the guest agent does not answer")
        return left

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            fd = os.open(self._files.qga_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as e:
            raise AgentError(f"cannot open {self._files.qga_lock}: {e.strerror}") from e
        try:
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(min(0.05, self._left()))
            yield
        finally:
            os.close(fd)

    def _send(self, data: bytes) -> None:
        self._socket.settimeout(self._left())
        try:
            self._socket.sendall(data)
        except OSError as e:
            raise AgentError(f"the guest agent cannot be reached: {e.strerror or e}") from e

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._socket.settimeout(self._left())
            try:
                data = self._socket.recv(65536)
            except TimeoutError as e:
                raise AgentSilentError("the guest agent does not answer") from e
            except OSError as e:
                raise AgentError(f"the guest agent cannot be reached: {e.strerror or e}") from e
            if not data or len(self._buffer) > _LIMIT:
                raise AgentError("the connection to the guest agent ended")
            self._buffer += data
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _answer(self) -> Any:
        try:
            message = json.loads(self._until(b"\n"))
        except ValueError as e:
            raise AgentError("the guest agent sent what is no JSON") from e
        if not isinstance(message, dict) or "return" not in message:
            error = message.get("error", {}) if isinstance(message, dict) else {}
            raise AgentError(f"the guest agent refused: {error.get('desc', message)}")
        return message["return"]

    def _sync(self) -> None:
        number = secrets.randbits(31)
        request = {"execute": "guest-sync-delimited", "arguments": {"id": number}}
        # The sentinel also ends half a request that an earlier client left in the agent's parser.
        self._send(_SENTINEL + json.dumps(request).encode() + b"\n")
        while True:
            self._until(_SENTINEL)
            try:
                if self._answer() == number:
                    return
            except AgentError:
                self._left()

    def execute(self, command: str, arguments: dict[str, object] | None = None) -> Any:
        """One command, its `return` value."""
        self._send(json.dumps({"execute": command, "arguments": arguments or {}}).encode() + b"\n")
        return self._answer()

    def extend(self, seconds: float) -> None:
        """The session may take `seconds` from now on."""
        self._end = time.monotonic() + seconds

    def start(self, path: str, args: Sequence[str], stdin: bytes | None = None) -> int:
        """Start a program in the guest; its process id."""
        request: dict[str, object] = {"path": path, "arg": list(args), "capture-output": True}
        if stdin is not None:
            request["input-data"] = base64.b64encode(stdin).decode("ascii")
        return int(self.execute("guest-exec", request)["pid"])

    def ended(self, pid: int) -> Done | None:
        """How a program of `start` ended, once; None while it runs. A signal N is status 128 + N."""
        state = self.execute("guest-exec-status", {"pid": pid})
        if not state.get("exited"):
            return None
        return Done(
            status=int(state.get("exitcode", 128 + int(state.get("signal", 0)))),
            stdout=base64.b64decode(state.get("out-data", "")),
            stderr=base64.b64decode(state.get("err-data", "")),
            truncated=bool(state.get("out-truncated")) or bool(state.get("err-truncated")),
        )

    def run(self, path: str, args: Sequence[str]) -> Done:
        """Run a program in the guest to its end, within the session's time."""
        pid = self.start(path, args)
        while True:
            done = self.ended(pid)
            if done is not None:
                return done
            time.sleep(min(0.1, self._left()))
