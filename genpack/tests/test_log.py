# SPDX-License-Identifier: MIT
"""Lines for people, with a terminal and without."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import termios

import pytest
from genpack.log import Log
from genpack.progress import Progress, duration, size


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


def test_the_live_line_fits_the_terminal_it_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real terminal of 30 columns, while standard output is none."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
    with os.fdopen(theirs, "w") as out:
        log = Log(out)
        with log.step("a name that is longer than the terminal"):
            log.progress(Progress(1, 2, "files"))
            log.progress(Progress(2, 2, "files"))
    text = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed, and all that it wrote was read
        while part := os.read(ours, 65536):
            text += part
    os.close(ours)
    live = re.findall(r"\r\x1b\[K([^\r\x1b]+)", text.decode())
    assert [len(line) for line in live] == [29, 29, 29]


def test_the_first_and_the_last_progress_are_always_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    log = Log(out)
    with log.step("one"):
        for done in range(1, 101):
            log.progress(Progress(done, 100, "files"))
    assert "1 of 100 files" in out.getvalue()
    assert "100 of 100 files" in out.getvalue()
    assert out.getvalue().count("of 100 files") < 50
