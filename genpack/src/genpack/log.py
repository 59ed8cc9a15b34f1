# SPDX-License-Identifier: MIT
"""Text for people, on stderr: one line a step with its time, notes, warnings.

On a terminal the running step shows a live line that the finished one replaces; elsewhere only finished lines are
printed. NO_COLOR and TERM=dumb are honoured.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

BOLD, DIM, RED, YELLOW, GREEN, RESET = "\033[1m", "\033[2m", "\033[31m", "\033[33m", "\033[32m", "\033[0m"


def duration(seconds: float) -> str:
    """`0.4 s`, `12.3 s`, `4 min 05 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def size(count: int) -> str:
    """A number of bytes as `512 B`, `1.5 KiB`, `104.6 MiB`."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


class Log:
    """Writes to one stream. `debug` also prints the programs that run."""

    def __init__(self, stream: TextIO | None = None, *, debug: bool = False) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.debug_on = debug
        self.live = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self.color = self.live and not os.environ.get("NO_COLOR")
        self._step: tuple[str, float] | None = None
        self._detail = ""
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

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A step: one line with its time when it ends, well or not."""
        self._step, self._detail = (name, time.monotonic()), ""
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

    def progress(self, detail: str | None = None) -> None:
        """Something for the live line, or (None) only its clock; costs nothing without a terminal."""
        if not self.live or self._step is None:
            return
        if detail is not None:
            self._detail = detail
        if time.monotonic() - self._drawn > 0.1:
            self._draw()

    def _draw(self) -> None:
        if not self.live or self._step is None:
            return
        import shutil

        name, began = self._step
        self._drawn = time.monotonic()
        text = f"{duration(self._drawn - began):>12}  {name}" + (f": {self._detail}" if self._detail else "")
        self.stream.write("\r\033[K" + text[: shutil.get_terminal_size().columns - 1])
        self.stream.flush()

    def _clear(self) -> None:
        if self.live and self._step is not None:
            self.stream.write("\r\033[K")
