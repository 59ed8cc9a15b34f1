# SPDX-License-Identifier: MIT
"""Run a function in a child process that may crash.

libsquashfuse trusts an image's tables: a damaged image can make it overwrite its stack or run without end. In a child
that is an answer ("the image is damaged"), not the end of this program.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import traceback
from collections.abc import Callable
from typing import Any

from genpack_vm.errors import ImageError, VmError


def _child(work: Callable[[], dict[str, Any]], pipe: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 2)  # the C library's last words say nothing to a user
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_DFL)
    try:
        answer: dict[str, Any] = {"done": work()}
    except VmError as e:
        answer = {"error": str(e), "tip": e.tip, "status": e.status, "image": isinstance(e, ImageError)}
    except BrokenPipeError:
        answer = {"pipe": True}
    except Exception:
        answer = {"bug": traceback.format_exc()}
    data = json.dumps(answer).encode()
    while data:
        data = data[os.write(pipe, data) :]


class Job:
    """A function that runs in a child process; `result` waits for it, `close` ends it. Either one, once.

    Files and memory files that are open are shared with the child; its memory is its own.
    """

    def __init__(self, work: Callable[[], dict[str, Any]], *, name: str, timeout: float | None) -> None:
        self._name, self._timeout = name, timeout
        self._reading, writing = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            try:
                _child(work, writing)
            finally:
                os._exit(0)
        os.close(writing)

    def close(self) -> int:
        """End the child if it runs; its status as waitpid tells it."""
        os.close(self._reading)
        pidfd = os.pidfd_open(self._child)
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.close(pidfd)
        return os.waitpid(self._child, 0)[1]

    def result(self) -> dict[str, Any]:
        """The function's result, which must be plain data; its VmError; ImageError on `name` if the child crashed, or
        hung for more than `timeout` seconds."""
        data = b""
        try:
            while select.select([self._reading], [], [], self._timeout)[0]:
                piece = os.read(self._reading, 65536)
                if not piece:
                    break
                data += piece
            else:
                raise ImageError(f"{self._name}: reading it did not end in {self._timeout:g} s")
        finally:
            status = self.close()
        if not data:
            raise self._crash(status)
        answer: dict[str, Any] = json.loads(data)
        if "pipe" in answer:
            raise BrokenPipeError
        if "bug" in answer:
            raise RuntimeError(f"in a child process:\n{answer['bug']}")
        if "error" in answer:
            kind = ImageError if answer["image"] else VmError
            raise kind(answer["error"], tip=answer["tip"], status=answer["status"])
        result: dict[str, Any] = answer["done"]
        return result

    def _crash(self, status: int) -> ImageError:
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        if number == signal.SIGALRM:
            return ImageError(f"{self._name}: the SquashFS is damaged: reading it did not end")
        why = f"signal {number}" if number else f"status {os.WEXITSTATUS(status)}"
        return ImageError(
            f"{self._name}: the SquashFS is damaged: reading it ended with {why}",
            tip="build it again, or copy it again from where it came",
        )


def run(work: Callable[[], dict[str, Any]], *, name: str, timeout: float | None) -> dict[str, Any]:
    """The function's result by way of a child process, see `Job`."""
    return Job(work, name=name, timeout=timeout).result()
