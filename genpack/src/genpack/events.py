# SPDX-License-Identifier: MIT
"""--json: in place of lines for people, one JSON object a line on stderr. genpack(1) describes the events."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from genpack import __version__
from genpack.log import Log
from genpack.progress import Progress

VERSION = 1
#: Seconds between two events of one step's progress.
PAUSE = 1.0


class JsonLog(Log):
    """A log for programs."""

    def __init__(self, stream: TextIO | None = None, *, debug: bool = False) -> None:
        super().__init__(stream, debug=debug)
        self.live = self.color = False
        self._begun = False
        self._at: dict[str, object] = {}
        self._waiting: Progress | str | None = None
        self._told = 0.0

    def event(self, name: str, **fields: object) -> None:
        if not self._begun:
            self._begun = True
            self.event("start", version=VERSION, genpack=__version__)
        # ASCII: names that are no UTF-8 survive as escapes.
        content = {"event": name, "time": round(time.time(), 3), **fields}
        self.stream.write(json.dumps(content, separators=(",", ":")) + "\n")
        self.stream.flush()

    def line(self, text: str) -> None:
        self.event("info", text=text)

    def note(self, text: str) -> None:
        self.event("note", text=text)

    def warning(self, text: str) -> None:
        self.event("warning", text=text)

    def debug(self, text: str) -> None:
        if self.debug_on:
            self.event("debug", text=text)

    def summary(self, lines: Sequence[str], **fields: object) -> None:
        self.event("result", **fields)

    def failure(self, lines: Sequence[str], **fields: object) -> None:
        self.event("error", **fields)

    @contextmanager
    def step(self, name: str, phase: str = "") -> Iterator[None]:
        self._at = {"phase": phase or None, "step": name}
        self._waiting, self._told = None, time.monotonic()
        began = time.monotonic()
        self.event("step-start", **self._at)
        done = False
        try:
            yield
            done = True
        finally:
            self._tell()
            self.event("step-end", **self._at, seconds=round(time.monotonic() - began, 1), ok=done)
            self._at = {}

    def progress(self, progress: Progress | str | None = None) -> None:
        if progress is not None and self._at:
            self._waiting = progress
        if time.monotonic() - self._told >= PAUSE:
            self._tell()

    def _tell(self) -> None:
        """The newest progress that was not told yet."""
        match self._waiting:
            case Progress(done, total, unit, item):
                self.event("progress", **self._at, done=done, total=total, unit=unit, item=item or None)
            case str(text):
                self.event("note", text=text)
        self._waiting, self._told = None, time.monotonic()
