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


def run(argv: Sequence[object], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run ``argv`` (each word by its ``str``) and return its standard output as text.

    Raises MirrorError with the end of the output when the program is missing or its status is not 0.
    """
    words = [str(word) for word in argv]
    merged = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
    try:
        child = subprocess.Popen(
            words, cwd=cwd, env=merged, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except FileNotFoundError as error:
        raise MirrorError(f"{words[0]} is not installed") from error
    with child:
        try:
            out, err = child.communicate()
        except BaseException:
            # SIGKILL would leave what the program has started and mounted
            child.terminate()
            raise
    output, errors = out.decode(errors="replace"), err.decode(errors="replace")
    if child.returncode != 0:
        tail = "\n".join((errors or output).splitlines()[-20:])
        raise MirrorError(f"{shlex.join(words[:6])}: exit status {child.returncode}\n{tail}")
    return output


def say(text: str) -> None:
    """A line for the person who waits."""
    print(f"mirror: {text}", file=sys.stderr, flush=True)
