# SPDX-License-Identifier: MIT
"""execute-artifact-build-scripts: run the build scripts that the artifact brings."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from . import artifact
from .log import say

PROG = "execute-artifact-build-scripts"


def command(argv: list[str]) -> None:
    argparse.ArgumentParser(
        prog=PROG, description="Run /build, then /build.d/* as root, then /build.d/USER/* as USER, in byte order.",
        epilog="An executable file is run as it is, *.sh by /bin/sh, *.py by python3. Each gets this program's "
        "environment and the home of its user.").parse_args(argv)
    steps = artifact.plan(Path("/"))
    artifact.execute(steps, {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    say(f"{len(steps)} build scripts")
