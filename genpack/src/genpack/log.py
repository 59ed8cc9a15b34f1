# SPDX-License-Identifier: MIT
"""Text for people, on stderr: one line a step with its time, notes, warnings.

On a terminal the running step shows a live line that the finished one replaces; elsewhere only finished lines are
printed. NO_COLOR and TERM=dumb are honoured.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from genpack.progress import Progress, duration, live
from genpack.progress import size as size  # for those who write lines

BOLD, DIM, RED, YELLOW, GREEN, RESET = "\033[1m", "\033[2m", "\033[31m", "\033[33m", "\033[32m", "\033[0m"


class Log:
    """Writes to one stream. `debug` also prints the programs that run."""

    def __init__(self, stream: TextIO | None = None, *, debug: bool = False) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.debug_on = debug
        self.live = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self.color = self.live and not os.environ.get("NO_COLOR")
        self._step: tuple[str, float] | None = None
        self._progress: Progress | str | None = None
        self._drawn = 0.0

    def paint(self, text: str, *codes: str) -> str:
        """The text in a colour, if colours are wanted."""
        return "".join(codes) + text + RESET if self.color else text

    def line(self, text: str) -> None:
        """One line; a live line is put below it again."""
        self._clear()
        self.stream.write(text + "\n")
        self.stream.flush()
        self._draw()

    def note(self, text: str) -> None:
        self.line(f"note: {text}")

    def warning(self, text: str) -> None:
        self.line(self.paint("warning:", YELLOW) + " " + text)

    def debug(self, text: str) -> None:
        if self.debug_on:
            self.line(self.paint(f"debug: {text}", DIM))

    def event(self, name: str, **fields: object) -> None:
        """Something that only a program wants to know, see events.py."""

    def summary(self, lines: Sequence[str], **fields: object) -> None:
        """What came of it: lines for people, fields for programs."""
        for line in lines:
            self.line(line)

    def failure(self, lines: Sequence[str], **fields: object) -> None:
        """What went wrong: lines for people, fields for programs."""
        for line in lines:
            self.line(line)

    @contextmanager
    def step(self, name: str, phase: str = "") -> Iterator[None]:
        """A step: one line with its time when it ends, well or not."""
        name = f"{phase}: {name}" if phase else name
        self._step, self._progress = (name, time.monotonic()), None
        self._draw()
        mark = self.paint("failed", RED)
        try:
            yield
            mark = ""
        finally:
            began = self._step[1]
            self._clear()
            self._step = None
            taken = f"{duration(time.monotonic() - began):>12}"
            self.line(f"{self.paint(taken, DIM)}  {name}{'  ' + mark if mark else ''}")

    def progress(self, progress: Progress | str | None = None) -> None:
        """How far the step is, or (None) only its clock; costs nothing without a terminal."""
        if not self.live or self._step is None:
            return
        notable = progress is not None and self._progress is None
        if progress is not None:
            self._progress = progress
            notable |= isinstance(progress, Progress) and progress.done == progress.total
        if notable or time.monotonic() - self._drawn > 0.1:
            self._draw()

    def _draw(self) -> None:
        if not self.live or self._step is None:
            return
        name, began = self._step
        self._drawn = time.monotonic()
        self.stream.write("\r\033[K" + live(name, self._drawn - began, self._progress, self._columns()))
        self.stream.flush()

    def _columns(self) -> int:
        """The width of this stream's terminal, not of standard output's."""
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

    def _clear(self) -> None:
        if self.live and self._step is not None:
            self.stream.write("\r\033[K")
