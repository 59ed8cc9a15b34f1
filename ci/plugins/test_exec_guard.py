# SPDX-License-Identifier: MIT
"""exec-guard's plugin, with a loader that says and does what the test wants. The real one is in ci/e2e."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from genpack_init.testing import FakeSystem

RULES = "etc/audit/rules.d/50-exec_guard.rules"


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(r.levelname, r.getMessage()) for r in caplog.records if r.getMessage().startswith("exec_guard")]


def loader(system: FakeSystem, script: str) -> None:
    path = system.write("usr/libexec/genpack-exec-guard", f'#!/bin/sh\necho "$@" >> {system.root}/calls\n{script}\n')
    path.chmod(0o755)


def test_on_by_default(system: FakeSystem, plugins: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    loader(system, "exit 0")
    assert system.run(plugins["exec_guard"]).status == "ok"
    assert lines(caplog) == [("INFO", "exec_guard: on")]
    assert system.read("calls") == "on\n"
    rules = system.read(RULES).splitlines()[1:]
    assert len(rules) == (2 if os.uname().machine == "x86_64" else 1)
    for rule in rules:
        assert rule.startswith("-a always,exit -F arch=b") and rule.endswith(" -F exit=-EPERM -k exec_guard_deny")
        assert {"execve", "execveat", "mmap", "mprotect"} <= set(rule.split(" -S ")[1].split()[0].split(","))
    assert stat.S_IMODE((system.root / RULES).stat().st_mode) == 0o640


def test_off_leaves_nothing(system: FakeSystem, plugins: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    loader(system, "exit 0")
    system.run(plugins["exec_guard"])
    caplog.clear()
    assert system.run(plugins["exec_guard"], "exec_guard = false").status == "ok"
    assert lines(caplog) == [("INFO", "exec_guard: off")]
    assert system.read("calls") == "on\n"  # of the boot before
    assert not (system.root / RULES).exists()


def test_bad_value_is_an_error_and_the_guard_is_on(
    system: FakeSystem, plugins: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    loader(system, "exit 0")
    assert system.run(plugins["exec_guard"], "exec_guard = perhaps").status == "ok"
    (error,) = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
    assert "exec_guard: 'perhaps' is not allowed" in error
    assert system.read("calls") == "on\n"


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("echo 'not guarded: no BTF' >&2; exit 1", "exec_guard: not guarded: no BTF"),
        ("exit 1", "exec_guard: genpack-exec-guard exited with status 1"),
        ("kill -SEGV $$", "exec_guard: genpack-exec-guard died of SIGSEGV"),
    ],
)
def test_one_warning_for_what_is_missing(
    system: FakeSystem, plugins: dict[str, Path], caplog: pytest.LogCaptureFixture, script: str, line: str
) -> None:
    system.write(RULES, "rules of the boot before\n")
    loader(system, script)
    assert system.run(plugins["exec_guard"]).status == "ok"
    assert lines(caplog) == [("WARNING", line)]
    assert not (system.root / RULES).exists()


def test_loader_missing(system: FakeSystem, plugins: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    assert system.run(plugins["exec_guard"]).status == "ok"
    ((level, text),) = lines(caplog)
    assert (level, text.endswith("/usr/libexec/genpack-exec-guard: not found")) == ("WARNING", True)


def test_on_with_a_remark(system: FakeSystem, plugins: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    loader(system, "echo '/usr stays writable: Invalid argument' >&2")
    system.run(plugins["exec_guard"])
    assert lines(caplog) == [("WARNING", "exec_guard: /usr stays writable: Invalid argument")]
    assert (system.root / RULES).exists()
