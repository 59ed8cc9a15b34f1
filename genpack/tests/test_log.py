# SPDX-License-Identifier: MIT
"""Lines for people, with a terminal and without."""

from __future__ import annotations

import io

import pytest
from genpack.log import Log
from genpack.progress import duration, size


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("seconds", "text"), [(0.04, "0.0 s"), (12.34, "12.3 s"), (245, "4 min 05 s")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (109 << 20, "109.0 MiB"), (3 << 30, "3.0 GiB")]
)
def test_size(count: int, text: str) -> None:
    assert size(count) == text


def test_without_a_terminal_there_are_plain_lines() -> None:
    out = io.StringIO()
    log = Log(out)
    with log.step("one"):
        log.progress("1 of 2")
        log.note("n")
    with pytest.raises(ValueError, match="x"), log.step("two"):
        raise ValueError("x")
    log.debug("not shown")
    assert out.getvalue() == "note: n\n       0.0 s  one\n       0.0 s  two  failed\n"


def test_a_terminal_has_one_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = Terminal()
    log = Log(out, debug=True)
    with log.step("one"):
        log._drawn = 0
        log.progress("1 of 2")
        log.debug("shown")
    text = out.getvalue()
    assert "one: 1 of 2" in text
    assert "\r\033[K" in text
    assert "debug: shown" in text
    assert text.rsplit("\r\033[K", 1)[1] == "\033[2m       0.0 s\033[0m  one\n"


def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    Log(out).warning("w")
    assert out.getvalue() == "warning: w\n"
