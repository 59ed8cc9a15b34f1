# SPDX-License-Identifier: MIT
"""--json: the events, and what errors say to people and to programs."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import Run, define
from genpack.errors import GenpackError, StepError
from genpack.events import JsonLog
from genpack.log import Log
from genpack.options import Invocation
from genpack.plan import Decision
from genpack.progress import Progress
from genpack.reasons import NOT_BUILT
from genpack.workdir import PhaseState, State

from genpack import events, failure, summary

SAMPLE = Path(__file__).resolve().parents[2] / "ci" / "formats" / "events" / "build.jsonl"
GIVEN = {"mirror": ["/srv/a b", "/c"], "devel": True, "arch": "i686", "only": False, "keyring": None}


def told(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def plain(lines: str) -> str:
    """Without what differs from run to run: times, and genpack's version."""
    return re.sub(r'("time"|"seconds"):[\d.]+', r"\1:1", re.sub(r'"genpack":"[^"]+"', '"genpack":"0"', lines))


def test_the_sample(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A build as CI sees it: the upper phase runs, the pack phase fails."""
    monkeypatch.setattr(events, "PAUSE", 0.0)
    image = tmp_path / "toy.squashfs"
    image.write_bytes(b"x" * 7)
    stream = io.StringIO()
    log = JsonLog(stream)
    log.note("genpack.lock does not pin overlay: what is there now is taken")
    log.event("phase-start", phase="upper", why="not built yet", reasons=[], log="/w/logs/upper-1.log")
    with log.step("copy-up", "upper"):
        log.progress(Progress(1, 2, "files"))
        log.progress(Progress(2, 2, "files"))
    log.event("phase-end", phase="upper", seconds=1.5, ok=True)
    log.warning("GRUB can't read zstd")
    state = State(upper=PhaseState("k", {}, complete=True, seconds=1.5))
    decisions = {"upper": Decision("upper", (NOT_BUILT,), None)}
    summary.tell(log, decisions, state, image, 3)
    error = StepError("pack: mksquashfs: x", tail=["no space"], log=Path("/w/logs/pack-1.log"), tip="is the disk full?")
    failure.tell(log, error, Invocation(GIVEN, "pack"))
    text = stream.getvalue().replace(str(tmp_path), "/srv/images").replace(str(Path.cwd()), "/srv/toy")
    assert plain(text) == plain(SAMPLE.read_text())


def test_start_is_first_and_progress_is_not_a_flood() -> None:
    stream = io.StringIO()
    log = JsonLog(stream)
    with log.step("emerge", "lower"):
        for done in range(100):
            log.progress(Progress(done, 100, "packages", "a/b"))
    found = told(stream)
    assert [e["event"] for e in found] == ["start", "step-start", "progress", "step-end"]
    assert (found[0]["version"], found[2]["done"], found[3]["ok"]) == (1, 99, True)
    with pytest.raises(ValueError, match="x"), log.step("two"):
        raise ValueError("x")
    assert told(stream)[-1]["ok"] is False
    assert told(stream)[-1]["phase"] is None


def test_every_event_is_in_the_man_page() -> None:
    page = (Path(__file__).resolve().parents[1] / "man/genpack.1").read_text().replace("\\", "")
    described = set(re.findall(r"[a-z-]+", " ".join(re.findall(r"^\.IP (.*)$", page.split(".SH EVENTS")[1], re.M))))
    assert {json.loads(line)["event"] for line in SAMPLE.read_text().splitlines()} <= described
    assert {"info", "debug"} <= described


def test_a_failure_for_people() -> None:
    stream = io.StringIO()
    error = StepError("upper: build scripts: x", tail=["one", "two"], log=Path("/w/l.log"), tip="do that")
    failure.tell(Log(stream), error, Invocation(GIVEN, ""))
    again = f"genpack -C {Path.cwd()} --arch i686 --devel --mirror '/srv/a b' --mirror /c build"
    assert stream.getvalue().splitlines() == [
        "genpack: error: upper: build scripts: x", "  | one", "  | two", "log: /w/l.log", "tip: do that",
        f"to go on: {again}",
    ]  # fmt: skip
    stream = io.StringIO()
    failure.tell(Log(stream), GenpackError("no step"), Invocation(GIVEN, "lower"))
    assert stream.getvalue() == "genpack: error: no step\n"


def test_errors_of_usage_and_definition_are_events_too(
    genpack: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = define(tmp_path / "a", "{nme: 'a'}")
    for words in (["--json", "-C", str(folder), "check"], ["-C", str(folder), "check", "--json"]):
        status, out, err = genpack(*words)
        assert (status, out) == (2, "")
        start, *_, error = found = [json.loads(line) for line in err.splitlines()]
        assert [e["event"] for e in found].count("start") == 1
        assert (start["event"], error["event"], error["status"]) == ("start", "error", 2)
        assert "nme: unknown key" in error["problems"][0]
    debug = [json.loads(line) for line in genpack("--json", "--debug", "-C", folder, "check")[2].splitlines()]
    assert any("Traceback" in e.get("text", "") for e in debug)
    assert [e["event"] for e in debug].count("start") == 1
    monkeypatch.setenv("GENPACK_JSON", "1")
    error = json.loads(genpack("--bogus")[2].splitlines()[-1])
    assert error["event"] == "error"
    assert "--bogus" in error["message"]
