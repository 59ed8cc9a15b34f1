# SPDX-License-Identifier: MIT
"""The only module that starts programs: argument lists, closed standard input, output captured."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from genpack_artifacts.errors import ArtifactsError

#: How a missing program is installed.
INSTALL = {
    "genpack": "pip install genpack",
    "shellcheck": "apt-get install shellcheck, or emerge dev-util/shellcheck-bin",
}


@dataclass(frozen=True)
class Result:
    """How a program ended and what it wrote on stdout and stderr together."""

    status: int
    output: str


def require(program: str, needed_to: str) -> None:
    """ArtifactsError if a program is not installed."""
    if shutil.which(program) is None:
        tip = INSTALL.get(program, f"install {program}")
        raise ArtifactsError(f"{program} is needed to {needed_to}, but it is not installed", tip=tip)


def run(argv: Sequence[str | Path], *, needed_to: str) -> Result:
    """Run a program to its end. A missing program and a death by signal are an ArtifactsError."""
    words = [str(word) for word in argv]
    require(words[0], needed_to)
    env = {**os.environ, "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, check=False
    )
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise ArtifactsError(f"{words[0]}, which was to {needed_to}, was killed by {name}")
    return Result(done.returncode, done.stdout.decode(errors="replace"))
