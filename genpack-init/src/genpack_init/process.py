# SPDX-License-Identifier: MIT
"""The only module that starts programs: argv lists, closed stdin, output to the log."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Sequence

from genpack_init.errors import GenpackInitError

#: Status of a program that could not be started, as a shell has it.
NOT_FOUND = 127


def run(argv: Sequence[str | os.PathLike[str]], *, check: bool = False, timeout: float | None = None) -> int:
    """Run a program, log its output and return its exit status (0 = good; 128 + N: died of signal N; 127: missing).

    `check=True` raises GenpackInitError instead of returning a status that is not 0. `timeout` in seconds: the program
    is killed then, which counts as signal 9.
    """
    status, output = capture(argv, timeout=timeout)
    for line in output.splitlines():
        logging.log(logging.INFO if status == 0 else logging.WARNING, "%s: %s", os.fspath(argv[0]), line)
    if status != 0:
        message = f"{' '.join(os.fspath(word) for word in argv)}: {explain(status)}"
        if check:
            raise GenpackInitError(message)
        logging.warning("%s", message)
    return status


def capture(argv: Sequence[str | os.PathLike[str]], *, timeout: float | None = None) -> tuple[int, str]:
    """(exit status as `run` returns it, stdout and stderr together)."""
    import subprocess  # 8 ms that most boots need not pay

    command = [os.fspath(word) for word in argv]
    logging.debug("running %s", command)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
            text=True,
            errors="replace",
        )
    except FileNotFoundError as error:
        return NOT_FOUND, f"{error.filename or command[0]}: not found"
    except PermissionError as error:
        return 126, str(error)
    except subprocess.TimeoutExpired as error:
        text = error.stdout or b""
        return 128 + signal.SIGKILL, text if isinstance(text, str) else text.decode(errors="replace")
    return (done.returncode if done.returncode >= 0 else 128 - done.returncode), done.stdout


def spawn_quietly(argv: Sequence[str]) -> int:
    """Run a program with its output thrown away; its exit status, 127 if there is none. Needs no import."""
    null = [(os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0) for number in (0, 1, 2)]
    try:
        child = os.posix_spawnp(argv[0], list(argv), dict(os.environ), file_actions=null)
    except OSError:
        return NOT_FOUND
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status if status >= 0 else 128 - status


def explain(status: int) -> str:
    """An exit status of `run` in words."""
    if status == NOT_FOUND:
        return "the program was not found"
    if status > 128:
        try:
            return f"died of {signal.Signals(status - 128).name}"
        except ValueError:
            pass
    return f"exited with status {status}"
