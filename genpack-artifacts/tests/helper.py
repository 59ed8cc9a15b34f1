# SPDX-License-Identifier: MIT
"""The command, run as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

README = "# demo\n\nA demo\nof it.\n\nArchitectures: x86_64, aarch64\n\nMore.\n"


def command(*args: str | Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """genpack-artifacts with arguments; `path`: a folder that comes first on PATH."""
    env = dict(os.environ)
    if path is not None:
        env["PATH"] = f"{path}:{env['PATH']}"
    argv = [sys.executable, "-m", "genpack_artifacts", *map(str, args)]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=env)


def make(folder: Path, definition: str, readme: str | None = README) -> Path:
    """An artifact's folder."""
    folder.mkdir(parents=True)
    (folder / "genpack.json5").write_text(definition)
    if readme is not None:
        (folder / "README.md").write_text(readme)
    return folder
