# SPDX-License-Identifier: MIT
"""Running programs for the mirror: argument lists only, closed standard input, output kept for the error."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


class MirrorError(Exception):
    """Something the mirror needs failed; the message is for the person who called ``make``."""


def run(argv: Sequence[object], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run ``argv`` (each word by its ``str``) and return its standard output as text.

    Raises MirrorError with the end of the output when the program is missing or its status is not 0.
    """
    words = [str(word) for word in argv]
    merged = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
    with _started(words, cwd, merged) as child:
        out, err = child.communicate()
    output, errors = out.decode(errors="replace"), err.decode(errors="replace")
    if child.returncode != 0:
        tail = "\n".join((errors or output).splitlines()[-20:])
        raise MirrorError(f"{shlex.join(words[:6])}: exit status {child.returncode}\n{tail}")
    return output


@contextmanager
def _started(words: list[str], cwd: Path | None, env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is ended on every way out. A signal that comes while it starts waits until there is something to
    end: its handler's exception would leave the program, and what that has started and mounted, behind."""
    came: list[int] = []
    both = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in both if callable(signal.getsignal(number))}
    child: subprocess.Popen[bytes] | None = None
    try:
        for number in before:
            signal.signal(number, lambda number, _: came.append(number))
        try:
            pipe = subprocess.PIPE
            child = subprocess.Popen(words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
        except FileNotFoundError as error:
            raise MirrorError(f"{words[0]} is not installed") from error
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            for one in came:
                signal.raise_signal(one)
        yield child
    except BaseException:
        if child is not None:
            child.terminate()  # SIGKILL would leave what the program has started and mounted
            child.communicate()
        raise


def say(text: str) -> None:
    """A line for the person who waits."""
    print(f"mirror: {text}", file=sys.stderr, flush=True)
