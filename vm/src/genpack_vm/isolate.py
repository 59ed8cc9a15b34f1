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
        answer = {"error": str(e), "tip": e.tip, "status": e.status}
    except Exception:
        answer = {"bug": traceback.format_exc()}
    data = json.dumps(answer).encode()
    while data:
        data = data[os.write(pipe, data) :]


def run(work: Callable[[], dict[str, Any]], *, name: str, timeout: float) -> dict[str, Any]:
    """The function's result, which must be plain data; its VmError. ImageError on `name` if the child crashes or hangs.

    Files and memory files that are open are shared with the child; its memory is its own.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _child(work, writing)
        finally:
            os._exit(0)
    os.close(writing)
    try:
        data = b""
        while select.select([reading], [], [], timeout)[0]:
            piece = os.read(reading, 65536)
            if not piece:
                break
            data += piece
        else:
            raise ImageError(f"{name}: reading it did not end in {timeout:g} s")
    finally:
        os.close(reading)
        pidfd = os.pidfd_open(child)
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.close(pidfd)
        _, status = os.waitpid(child, 0)
    if not data:
        why = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"
        raise ImageError(
            f"{name}: the SquashFS is damaged: reading it ended with {why}",
            tip="build it again, or copy it again from where it came",
        )
    answer: dict[str, Any] = json.loads(data)
    if "bug" in answer:
        raise RuntimeError(f"in a child process:\n{answer['bug']}")
    if "error" in answer:
        raise ImageError(answer["error"], tip=answer["tip"], status=answer["status"])
    result: dict[str, Any] = answer["done"]
    return result
