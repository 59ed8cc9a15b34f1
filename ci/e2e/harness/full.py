# SPDX-License-Identifier: MIT
"""The long run: tests marked `full` run only with GENPACK_CI_FULL=1, and a run that was cut off goes on where it was.

What each test took and how it ended is kept in CACHE/full/tests.json with the tree that it saw; a test that passed with
the present tree is not run again.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).resolve().parents[3]
NAME = "tests.json"


def wanted() -> bool:
    """Whether this is the long run."""
    return os.environ.get("GENPACK_CI_FULL") == "1"


def tree() -> str:
    """A hash of all that git tracks or would track."""
    argv = ["git", "-C", str(REPO), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout.split(b"\0")
    found = hashlib.sha256()
    for name in sorted(filter(None, names)):
        path = REPO / os.fsdecode(name)
        if path.is_symlink() or path.is_file():
            content = os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes()
            found.update(name + b"\0" + hashlib.sha256(content).digest())
    return found.hexdigest()


class Record:
    """The file with the results, as a pytest plugin."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.tree = tree()
        self.results: dict[str, dict[str, Any]] = {}
        self.nothing_left = False
        if self.path.is_file():
            data = json.loads(self.path.read_text())
            self.results = data["tests"] if data["tree"] == self.tree else {}

    def passed(self, item: pytest.Item) -> bool:
        """Whether a test needs no other run."""
        return self.results.get(item.nodeid, {}).get("outcome") == "passed"

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """That every test had passed before is no failure."""
        if self.nothing_left and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            session.exitstatus = pytest.ExitCode.OK

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keeps the worst outcome and the seconds of set-up, call and teardown together."""
        entry = self.results.setdefault(report.nodeid, {})
        if report.when == "setup":
            entry.clear()
            entry.update(outcome="passed", seconds=0.0)
        entry["seconds"] = round(entry["seconds"] + report.duration, 1)
        if report.outcome != "passed" and entry["outcome"] != "failed":
            entry["outcome"] = report.outcome
        if report.when != "teardown":
            return
        entry["date"] = time.strftime("%Y-%m-%d", time.gmtime())
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps({"version": 1, "tree": self.tree, "tests": self.results}, indent=1) + "\n")
        os.replace(fresh, self.path)


def select(config: pytest.Config, items: list[pytest.Item], folder: Path) -> None:
    """Leaves the tests of this kind of run in `items`."""
    if not wanted():
        chosen = [item for item in items if item.get_closest_marker("full") is None]
    else:
        record = Record(folder)
        config.pluginmanager.register(record, "full-record")
        marked = [item for item in items if item.get_closest_marker("full")]
        chosen = [item for item in marked if not record.passed(item)]
        record.nothing_left = bool(marked) and not chosen
        if ready := len(marked) - len(chosen):
            print(f"full run: {ready} of {len(marked)} tests passed before with this tree")
    if left := [item for item in items if item not in chosen]:
        config.hook.pytest_deselected(items=left)
    items[:] = chosen
