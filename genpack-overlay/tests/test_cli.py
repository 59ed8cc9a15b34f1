# SPDX-License-Identifier: MIT
"""The command as it is installed: output, exit statuses, no traceback."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-c", "from genpack_overlay.cli import main; main()"]


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *argv], capture_output=True, text=True, check=False)


def test_path_is_a_repository() -> None:
    done = run("path")
    assert done.returncode == 0
    folder = Path(done.stdout.strip())
    assert (folder / "profiles/repo_name").read_text() == "genpack-overlay\n"
    assert (folder / "genpack/genpack-progs/files/bin/genpack-copyup").is_file()


def test_version() -> None:
    assert run("--version").stdout == f"genpack-overlay {metadata.version('genpack-overlay')}\n"


def test_check() -> None:
    done = run("check")
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1].startswith("0 errors, ")


def test_archive(tmp_path: Path) -> None:
    assert run("archive", str(tmp_path / "a.tar.xz")).returncode == 0
    assert (tmp_path / "a.tar.xz").stat().st_size > 1000


@pytest.mark.parametrize("argv", [("archive",), ("bogus",), ("path", "x"), ("--bogus",), ("archive", "/x/a.zip")])
def test_bad_usage(argv: tuple[str, ...]) -> None:
    done = run(*argv)
    assert done.returncode == 2
    assert done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""
