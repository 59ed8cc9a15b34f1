# SPDX-License-Identifier: MIT
"""What a test run wrote, read back: `NAME.xml` (JUnit) of each pytest run, `NAME.status` (exit status and seconds) of
each step."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Count:
    """Numbers of tests."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0


def read_junit(path: Path) -> tuple[Count, list[str]]:
    """(numbers, names of the failed tests) of one JUnit file."""
    count = Count()
    failures: list[str] = []
    for case in ET.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            count.failed += 1
            failures.append(f"{case.get('classname')}::{case.get('name')}")
        elif case.find("skipped") is not None:
            count.skipped += 1
        else:
            count.passed += 1
    return count, failures


def read_step(status_file: Path) -> tuple[Count, float, list[str]]:
    """(numbers, seconds, names of what failed) of one step."""
    status, seconds = status_file.read_text().split()
    name, junit = status_file.stem, status_file.with_suffix(".xml")
    count = Count()
    failures: list[str] = []
    if junit.is_file():
        try:
            count, failures = read_junit(junit)
        except ET.ParseError:
            failures = [f"{name}: unreadable {junit.name}"]
            count.failed = 1
    elif status == "0":
        count.passed = 1
    if status != "0" and not count.failed:
        count.failed = 1
        failures.append(f"{name}: exit status {status}")
    return count, float(seconds), failures
