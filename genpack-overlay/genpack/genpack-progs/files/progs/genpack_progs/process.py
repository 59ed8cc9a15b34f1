# SPDX-License-Identifier: MIT
"""The only module that starts programs: argument lists, closed standard input, environment stated."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from .errors import ProgsError

INTERRUPTIONS = {signal.SIGTERM, signal.SIGINT}


@dataclass(frozen=True)
class Account:
    """Whom a program runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def run(argv: Sequence[str], *, env: Mapping[str, str], account: Account | None = None, cwd: str = "/",
        own_input: bool = False) -> int:
    """Run a program in the working folder `cwd` with its output passed through; return its status (128+N: signal N).

    Its standard input is closed, or this program's own with `own_input`. Raises ProgsError if it cannot be
    started at all.
    """
    child = None
    try:
        with _unbroken():
            child = subprocess.Popen(
                list(argv), stdin=None if own_input else subprocess.DEVNULL, cwd=cwd, env=dict(env),
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=account.groups if account else None,
                preexec_fn=_unblock,
            )
        status = child.wait()
    except OSError as e:
        raise ProgsError(f"cannot start {argv[0]}: {e.strerror}", tip=_tip(e)) from e
    finally:
        if child and child.poll() is None:
            child.kill()
            child.wait()
    return 128 - status if status < 0 else status


def output(argv: Sequence[str], *, needed_to: str) -> tuple[int, str]:
    """Run a program in the C locale and return its status and what it wrote on stdout."""
    status, out, _ = outputs(argv, needed_to=needed_to)
    return status, out


def outputs(argv: Sequence[str], *, needed_to: str) -> tuple[int, str, str]:
    """The same, with what it wrote on stderr."""
    try:
        done = subprocess.run(list(argv), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                              errors="replace", env={**os.environ, "LC_ALL": "C"})
    except OSError as e:
        raise ProgsError(f"cannot start {argv[0]}, which is needed to {needed_to}: {e.strerror}") from e
    return done.returncode, done.stdout, done.stderr


def transform(argv: Sequence[str], data: bytes, *, needed_to: str) -> tuple[int, bytes, str]:
    """Run a program with `data` as its input; return its status (128+N: signal N), its stdout and its stderr."""
    try:
        done = subprocess.run(list(argv), input=data, capture_output=True, check=False,
                              env={**os.environ, "LC_ALL": "C"})
    except OSError as e:
        raise ProgsError(f"cannot start {argv[0]}, which is needed to {needed_to}: {e.strerror}") from e
    status = 128 - done.returncode if done.returncode < 0 else done.returncode
    return status, done.stdout, done.stderr.decode("utf-8", "replace")


class Daemon:
    """A program that runs beside this one."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its status (128+N: signal N), or None while it runs."""
        status = self._child.poll()
        self.returncode = 128 - status if status is not None and status < 0 else status
        return self.returncode


@contextmanager
def daemon(argv: Sequence[str], *, log: IO[bytes], patience: float) -> Iterator[Daemon]:
    """Run a program, its output to `log`; afterwards end it by SIGTERM. Raises ProgsError if it lasts over `patience`
    seconds. In a session of its own: Ctrl-C is for this program, which then ends it in order.
    """
    child = None
    try:
        try:
            with _unbroken():
                child = subprocess.Popen(list(argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                                         start_new_session=True, preexec_fn=_unblock)
        except OSError as e:
            raise ProgsError(f"cannot start {argv[0]}: {e.strerror}") from e
        running = Daemon(child)
        yield running
    finally:
        if child:
            try:
                child.terminate()
                child.wait(patience)
            except subprocess.TimeoutExpired as e:
                raise ProgsError(f"{argv[0]} does not end after {patience:.0f} seconds: it was killed") from e
            finally:
                if child.poll() is None:
                    child.kill()
                    child.wait()
    running.poll()


@contextmanager
def _unbroken() -> Iterator[None]:
    """No interruption between a program's start and our knowing its id, without which it could not be ended."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTIONS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTIONS)


def explain(status: int) -> str:
    """Say in words how a program ended, from the status that run() returned."""
    if status > 128:
        try:
            return f"was killed by {signal.Signals(status - 128).name}"
        except ValueError:
            pass
    return f"exited with status {status}"


def _tip(e: OSError) -> str | None:
    if isinstance(e, FileNotFoundError):
        return "the interpreter on its first line is not installed"
    if e.errno == 8:  # ENOEXEC
        return "its first line names no interpreter (#!)"
    return None
