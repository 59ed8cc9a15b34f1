# SPDX-License-Identifier: MIT
"""Running programs for the mirror: argument lists only, closed standard input, output kept for the error."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


class MirrorError(Exception):
    """Something the mirror needs failed; the message is for the person who called ``make``."""


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    log: Path | None = None,
) -> str:
    """Run ``argv`` and return its standard output as text; with ``log``, all output goes to that file instead.

    Raises MirrorError with the end of the output when the program is missing or its status is not 0.
    """
    words = [str(word) for word in argv]
    merged = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
    try:
        if log is None:
            done = subprocess.run(words, cwd=cwd, env=merged, input=stdin, capture_output=True, check=False)
            output, errors = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        else:
            with log.open("ab") as stream:
                done = subprocess.run(
                    words, cwd=cwd, env=merged, input=stdin, stdout=stream, stderr=stream, check=False
                )
            output, errors = "", log.read_text(errors="replace")
    except FileNotFoundError as error:
        raise MirrorError(f"{words[0]} is not installed") from error
    if done.returncode != 0:
        tail = "\n".join((errors or output).splitlines()[-20:])
        raise MirrorError(f"{shlex.join(words[:6])}: exit status {done.returncode}\n{tail}")
    return output


def say(text: str) -> None:
    """A line for the person who waits."""
    print(f"mirror: {text}", file=sys.stderr, flush=True)
