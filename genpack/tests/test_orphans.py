# SPDX-License-Identifier: MIT
"""Programs end with genpack, however it ends, and who comes next waits until they have."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from genpack.errors import GenpackError
from genpack.workdir import WorkDir

from genpack import orphans

pytestmark = pytest.mark.spawns

#: A genpack that holds a work folder and runs a program, which says so and takes its time to end.
HOLDER = """\
import sys
from contextlib import suppress
from pathlib import Path
from genpack import process
from genpack.workdir import WorkDir
work = WorkDir(Path(sys.argv[1]), "x86_64", None)
work.prepare()
with work.locked():
    trap = f"trap 'sleep {sys.argv[2]}; echo ended > {sys.argv[1]}/ended; exit' TERM"
    script = f"{trap}; echo ready; while :; do sleep 0.05; done"
    process.stream(["sh", "-c", script], on_line=lambda line: print(line, flush=True))
"""


def killed(root: Path, seconds: float) -> WorkDir:
    """The folder of a holder that got SIGKILL."""
    argv = [sys.executable, "-c", HOLDER, str(root), str(seconds)]
    holder = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert holder.stdout
    assert holder.stdout.readline() == "ready\n"
    holder.kill()
    holder.wait()
    holder.stdout.close()
    return WorkDir(root, "x86_64", None)


def test_the_next_waits_for_what_a_killed_one_left(tmp_path: Path) -> None:
    work = killed(tmp_path, 0.5)
    with work.locked():
        assert (tmp_path / "ended").exists()
        assert orphans.running(work.top) == []


def test_one_that_does_not_end_is_named(tmp_path: Path) -> None:
    work = killed(tmp_path, 1000)
    try:
        with pytest.raises(GenpackError, match=r"in use by process \d+ \(.*left by a build that was killed") as caught:
            orphans.wait(work.top, 0.1)
        assert "end it: kill " in str(caught.value.tip)
    finally:
        while left := orphans.running(work.top):
            for number, _ in left:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)


def test_only_what_was_started_for_this_folder(tmp_path: Path) -> None:
    with orphans.marked(tmp_path / "one"):
        child = subprocess.Popen(["sleep", "1000"])
    try:
        assert orphans.VARIABLE not in os.environ
        assert [number for number, _ in orphans.running(tmp_path / "one")] == [child.pid]
        assert orphans.running(tmp_path) == []
    finally:
        child.kill()
        child.wait()
