# SPDX-License-Identifier: MIT
"""The plugin that begins boot-report.txt, and its unit."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from genpack_init.testing import FakeSystem

Errors = Callable[[], list[str]]

UNIT = "run/systemd/system/genpack-boot-report.service"


def with_boot_partition(system: FakeSystem) -> Path:
    boot = system.write("run/initramfs/boot/system.img", "").parent
    system.write("proc/self/mountinfo", f"1 0 0:1 / / rw - overlay o rw\n2 1 0:2 / {boot} rw - vfat /dev/sda1 rw\n")
    return boot / "boot-report.txt"


def test_report_and_unit(system: FakeSystem, plugins: dict[str, Path], errors: Errors) -> None:
    report = with_boot_partition(system)
    for _ in range(2):
        assert system.run(plugins["report"], "hostname = lotus\n").status == "ok"
    assert report.read_text(encoding="utf-8-sig").count("Boot: not finished") == 1 and errors() == []
    link = system.root / "run/systemd/system/multi-user.target.wants/genpack-boot-report.service"
    assert link.resolve() == system.root / UNIT
    command = ["systemd-analyze", "verify", "--man=no", str(system.root / UNIT)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert [line for line in said.splitlines() if "boot-report" in line and "is not executable" not in line] == []


def test_without_a_boot_partition(system: FakeSystem, plugins: dict[str, Path], errors: Errors) -> None:
    system.write("proc/self/mountinfo", "1 0 0:1 / / rw - overlay o rw\n")
    assert system.run(plugins["report"], "hostname = lotus\n").status == "ok"
    assert errors() == [] and not list(system.root.rglob("*report*"))


def test_full_boot_partition(system: FakeSystem, plugins: dict[str, Path], errors: Errors) -> None:
    report = with_boot_partition(system)
    report.mkdir()
    assert system.run(plugins["report"]).status == "ok"
    assert len(errors()) == 1 and errors()[0].startswith("boot-report.txt: ")
    assert not (system.root / UNIT).exists()
