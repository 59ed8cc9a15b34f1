# SPDX-License-Identifier: MIT
"""The only module that starts programs: argument lists, closed standard input, output captured."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import OverlayError

# Where a program comes from when it is missing: Debian's package, Gentoo's.
PACKAGES = {
    "bash": ("bash", "app-shells/bash"),
    "sh": ("dash", "app-shells/dash"),
    "shellcheck": ("shellcheck", "dev-util/shellcheck-bin"),
}


@dataclass(frozen=True)
class Result:
    """How a program ended and what it wrote on stdout and stderr together."""

    status: int
    output: str


def run(argv: Sequence[str], *, needed_to: str, cwd: Path | None = None) -> Result:
    """Run a program to its end. A missing program and a death by signal are an OverlayError."""
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=env, cwd=cwd, check=False, text=True)
    except FileNotFoundError as e:
        debian, gentoo = PACKAGES.get(argv[0], (argv[0], argv[0]))
        raise OverlayError(f"{argv[0]} is needed to {needed_to}, but it is not installed",
                           tip=f"apt-get install {debian}, or emerge {gentoo}") from e
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise OverlayError(f"{argv[0]}, which was to {needed_to}, was killed by {name}")
    return Result(done.returncode, done.stdout)
