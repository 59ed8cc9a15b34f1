# SPDX-License-Identifier: MIT
"""ci/summary: the closing line and the exit status of ci/test."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SUMMARY = Path(__file__).resolve().parents[1] / "summary"
XML = (
    '<testsuites><testsuite><testcase classname="a" name="t1"/><testcase classname="a" name="t2"><skipped/></testcase>'
    "{more}</testsuite></testsuites>"
)
FAILED = '<testcase classname="a" name="t3"><failure/></testcase><testcase classname="a" name="t4"><error/></testcase>'


@pytest.mark.parametrize(
    ("files", "last", "status"),
    [
        ({"a.status": "0 1.5", "u.status": "0 2", "u.xml": XML.format(more="")}, "2 passed, 0 failed, 1 skipped", 0),
        ({"lint.status": "1 1.5"}, "0 passed, 1 failed, 0 skipped", 1),
        ({"unit.status": "1 2", "unit.xml": XML.format(more=FAILED)}, "1 passed, 2 failed, 1 skipped", 1),
        ({"unit.status": "3 2", "unit.xml": XML.format(more="")}, "1 passed, 1 failed, 1 skipped", 1),
        ({"unit.status": "3 2", "unit.xml": "<half"}, "0 passed, 1 failed, 0 skipped", 1),
        ({}, "0 passed, 0 failed, 0 skipped", 1),
    ],
)
def test_closing_line(tmp_path: Path, files: dict[str, str], last: str, status: int) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    result = subprocess.run([SUMMARY, tmp_path], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (result.stdout.splitlines()[-1], result.returncode) == (last, status)
