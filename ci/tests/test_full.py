# SPDX-License-Identifier: MIT
"""The long run: which tests it takes, and that it goes on where it was cut off."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CI = Path(__file__).resolve().parents[1]
CONFTEST = f"""\
import sys
from pathlib import Path
sys.path.insert(0, {str(CI / "e2e")!r})
from harness import full

def pytest_configure(config):
    config.addinivalue_line("markers", "full: x")

def pytest_collection_modifyitems(config, items):
    full.select(config, items, Path(__file__).parent / "full")
"""
TESTS = """\
from pathlib import Path
import pytest

def test_short():
    pass

@pytest.mark.full
def test_long():
    pass

@pytest.mark.full
def test_long_and_broken():
    assert (Path(__file__).parent / "mended").exists()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TESTS)
    return tmp_path


def ran(project: Path, *, full: bool) -> tuple[int, list[str]]:
    """(exit status, the tests that ran)."""
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    env.pop("GENPACK_CI_FULL", None)
    env |= {"GENPACK_CI_FULL": "1"} if full else {}
    argv = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--rootdir", str(project), str(project)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env, check=False)
    return done.returncode, re.findall(r"::(\w+) (?:PASSED|FAILED)", done.stdout)


def test_a_short_run_leaves_the_long_tests_out(project: Path) -> None:
    assert ran(project, full=False) == (0, ["test_short"])


def test_a_long_run_goes_on_where_it_was(project: Path) -> None:
    assert ran(project, full=True) == (1, ["test_long", "test_long_and_broken"])
    (project / "mended").touch()
    assert ran(project, full=True) == (0, ["test_long_and_broken"])
    assert ran(project, full=True) == (0, [])


def test_results_of_another_tree_do_not_count(project: Path) -> None:
    (project / "mended").touch()
    assert ran(project, full=True)[0] == 0
    record = project / "full" / "tests.json"
    record.write_text(re.sub(r'"tree": "\w+"', '"tree": "other"', record.read_text()))
    assert ran(project, full=True) == (0, ["test_long", "test_long_and_broken"])


def test_the_table(project: Path, tmp_path: Path) -> None:
    ran(project, full=True)
    results = tmp_path / "results"
    results.mkdir()
    (results / "lint.status").write_text("0 5.5\n")
    out = subprocess.run([CI / "full_table", tmp_path], capture_output=True, text=True, check=True).stdout
    assert "| lint | 6 | 1 | 0 | 0 |" in out
    assert re.search(r"^\| \S*::test_long \| 0 \| passed \|", out, re.MULTILINE)
    assert re.search(r"^\| \S*::test_long_and_broken \| 0 \| failed \|", out, re.MULTILINE)
