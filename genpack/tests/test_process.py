# SPDX-License-Identifier: MIT
"""Running programs, for real, and the steps of a phase on top of it."""

from __future__ import annotations

import io
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from genpack.errors import GenpackError, ProgramError, StepError, Terminated
from genpack.log import Log
from genpack.progress import Progress, mksquashfs
from genpack.steps import Steps

from genpack import process

pytestmark = pytest.mark.spawns


def test_run() -> None:
    result = process.run(["sh", "-c", "cat; echo e >&2; exit 3"], stdin=b"in", check=False)
    assert (result.returncode, result.stdout, result.stderr) == (3, b"in", b"e\n")
    assert process.run(["cat"]).stdout == b""  # stdin is closed, not inherited


def test_failures_are_explained() -> None:
    with pytest.raises(ProgramError, match="sh exited with status 3: why") as caught:
        process.run(["sh", "-c", "echo why >&2; exit 3"])
    assert caught.value.returncode == 3
    with pytest.raises(ProgramError, match=r"sh was killed by SIGKILL \(out of memory\?\)"):
        process.run(["sh", "-c", "kill -9 $$"])


def test_a_missing_program_names_its_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramError, match="mksquashfs is needed to write the image") as caught:
        process.run(["mksquashfs"])
    assert "squashfs-tools" in str(caught.value.tip)
    assert "sys-fs/squashfs-tools" in str(caught.value.tip)


def test_stream() -> None:
    lines: list[str] = []
    status = process.stream(["sh", "-c", "printf 'a\\r\\nb\\377\\nlast'; echo x >&2; exit 5"], on_line=lines.append)
    assert status == 5
    assert lines == ["a", "b\ufffd", "lastx"]


def test_an_interrupted_program_gets_sigterm(tmp_path: Path) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    script = f"trap 'echo ended > {tmp_path}/mark; exit' TERM; echo ready; while :; do sleep 0.05; done"
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        process.stream(["sh", "-c", script], on_line=interrupt)
    assert (tmp_path / "mark").read_text() == "ended\n"
    assert time.monotonic() - start < 5


def test_a_signal_at_the_start_of_a_program_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes when the program runs and the function that started it has not returned yet."""
    children: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *words: Any, **options: Any) -> None:
            super().__init__(*words, **options)
            children.append(self)
            signal.raise_signal(signal.SIGTERM)

    def end(number: int, _: object) -> None:
        raise Terminated(number)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    before = signal.signal(signal.SIGTERM, end)
    try:
        with pytest.raises(Terminated):
            process.run(["sleep", "1000"])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert children[0].returncode == -signal.SIGTERM


def test_a_program_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STOP_SECONDS", 0.2)

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process.stream(["sh", "-c", "trap '' TERM; echo ready; sleep 60; true"], on_line=interrupt)


def test_a_daemon_that_keeps_the_pipe_is_not_waited_for() -> None:
    start = time.monotonic()
    assert process.stream(["sh", "-c", "sleep 20 & exit 0"], on_line=lambda _: None) == 0
    assert time.monotonic() - start < 10


def test_attach_passes_the_status_on() -> None:
    assert process.attach(["sh", "-c", "exit 7"]) == 7


def steps(tmp_path: Path) -> tuple[Steps, io.StringIO]:
    out = io.StringIO()
    return Steps("upper", tmp_path / "upper.log", Log(out)), out


def test_a_bar_s_lines_come_one_by_one() -> None:
    seen: list[str] = []
    script = r"printf '[=  ] 1/2 50%%\r[== ] 2/2 100%%\nplain\r\nlast\r'"
    process.stream(["sh", "-c", script], on_line=seen.append)
    assert seen == ["[=  ] 1/2 50%", "[== ] 2/2 100%", "plain", "last"]


def test_a_step(tmp_path: Path) -> None:
    phase, out = steps(tmp_path)
    with phase, phase.step("copy-up"):
        script = """echo people; echo '{"done": 1, "total": 2}'; echo '{"packages": 3, "files": 4, "bytes": 5}'"""
        assert phase.command(["sh", "-c", script], what="x") == {"packages": 3, "files": 4, "bytes": 5}
    assert out.getvalue().endswith(" s  upper: copy-up\n")
    assert "\npeople\n" in (tmp_path / "upper.log").read_text()


def test_a_step_that_fails(tmp_path: Path) -> None:
    phase, out = steps(tmp_path)
    with pytest.raises(StepError) as caught, phase, phase.step("build scripts"):
        phase.command(["sh", "-c", "seq 30; exit 4"], what="run-them")
    error = caught.value
    assert error.message == "upper: build scripts: run-them exited with status 4"
    assert error.tail == [str(number) for number in range(11, 31)]
    assert error.log == tmp_path / "upper.log"
    assert out.getvalue().rstrip().endswith("upper: build scripts  failed")
    log = (tmp_path / "upper.log").read_text()
    assert "\n1\n" in log
    assert "exited with status 4" in log


def test_a_step_with_better_last_lines(tmp_path: Path) -> None:
    phase, _ = steps(tmp_path)
    with pytest.raises(StepError) as caught, phase, phase.step("emerge"):
        phase.command(["sh", "-c", "echo summary; exit 1"], what="emerge", tail=lambda: ["the real reason"])
    assert caught.value.tail == ["the real reason"]


def test_ticks_come_while_nothing_is_printed() -> None:
    ticks: list[float] = []
    process.stream(["sleep", "1.2"], on_line=lambda _: None, on_tick=lambda: ticks.append(time.monotonic()))
    assert ticks
    assert threading.active_count() == 1


def test_a_failed_step_names_the_package_and_the_script(tmp_path: Path) -> None:
    for said, named in (
        (">>> Failed to emerge app-misc/x-1.0, Log file:", "app-misc/x-1.0 failed"),
        ("execute-artifact-build-scripts: error: build script a exited with status 3", "build script a exited"),
        ('emerge: there are no ebuilds to satisfy "a/b".', 'there are no ebuilds to satisfy "a/b".'),
    ):
        phase, _ = steps(tmp_path)
        with pytest.raises(StepError, match="run-them exited with status 1: ") as caught, phase, phase.step("s"):
            phase.command(["sh", "-c", f"echo '{said}'; exit 1"], what="run-them")
        assert named in caught.value.message


def test_progress_lines_are_not_in_the_log(tmp_path: Path) -> None:
    seen: list[object] = []
    phase, _ = steps(tmp_path)
    phase.log.progress = lambda progress=None: seen.append(progress)  # type: ignore[method-assign]  # a spy
    with phase, phase.step("s"):
        script = r"printf '[=  ] 1/2 50%%\r[== ] 2/2 100%%\nplain\n'"
        phase.command(["sh", "-c", script], what="x", watch=mksquashfs, bar=True)
    assert [each.done for each in seen if isinstance(each, Progress)] == [50, 100]
    assert "%\n" not in (tmp_path / "upper.log").read_text()
    assert "\nplain\n" in (tmp_path / "upper.log").read_text()


def test_any_error_of_a_phase_names_its_log(tmp_path: Path) -> None:
    phase, _ = steps(tmp_path)
    error = GenpackError("x")
    with pytest.raises(GenpackError), phase:
        raise error
    assert error.log == tmp_path / "upper.log"
