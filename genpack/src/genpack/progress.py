# SPDX-License-Identifier: MIT
"""How far a long step is, read from what the programs print; and the live line that shows it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

#: Columns of a bar: as many as there is room for, within these.
BAR = (8, 24)


@dataclass(frozen=True)
class Progress:
    """`done` of `total` (None: not known) in a unit: packages, files, bytes or percent; `item`: what is worked on."""

    done: int
    total: int | None
    unit: str
    item: str = ""

    @property
    def count(self) -> str:
        """`3 of 10`, `1.5 MiB of 2.0 MiB`, `42 %`."""
        if self.unit == "percent":
            return f"{self.done} %"
        if self.unit == "bytes":
            return size(self.done) + (f" of {size(self.total)}" if self.total else "")
        return f"{self.done} of {self.total} {self.unit}" if self.total else f"{self.done} {self.unit}"


#: Gives the progress that a line of output tells, None for a line that tells none.
Watch = Callable[[str], Progress | None]

_STARTED = re.compile(r">>> (?:Emerging|Installing)(?: binary)? \((\d+) of (\d+)\) (\S+?)(?:::\S+)?(?: |$)")
_JOBS = re.compile(r">>> Jobs: (\d+) of (\d+) complete")
_BAR = re.compile(r"\[[=|/\\ -]*\]\s+\d+/\d+\s+(\d+)%$")


class Emerge:
    """Reads emerge's output: `Jobs: N of M complete` counts, a line of a package names it."""

    def __init__(self) -> None:
        self._jobs = False
        self._last = Progress(0, None, "packages")

    def __call__(self, line: str) -> Progress | None:
        if found := _JOBS.match(line):
            self._jobs = True
            self._last = Progress(int(found[1]), int(found[2]), "packages", self._last.item)
        elif found := _STARTED.match(line):
            done = self._last.done if self._jobs else int(found[1]) - 1
            self._last = Progress(done, int(found[2]), "packages", found[3])
        else:
            return None
        return self._last


def mksquashfs(line: str) -> Progress | None:
    """Reads mksquashfs' progress bar, `[====| ] 5/10 50%`."""
    found = _BAR.search(line)
    return Progress(int(found[1]), 100, "percent") if found else None


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


def cut(text: str, columns: int) -> str:
    """The beginning of a text that fits into so many columns; what can't be printed is a question mark."""
    result, used = [], 0
    for char in text:
        shown = char if char.isprintable() else "?"
        width = 0 if unicodedata.combining(shown) else 2 if unicodedata.east_asian_width(shown) in "WF" else 1
        if used + width > columns:
            break
        result.append(shown)
        used += width
    return "".join(result)


def live(name: str, seconds: float, progress: Progress | str | None, columns: int) -> str:
    """The live line of a step: its time, its name and how far it is. Shorter than the terminal is wide: it never
    wraps."""
    text = f"{duration(seconds):>12}  {name}"
    room = columns - 1
    if isinstance(progress, Progress):
        item = f": {progress.item}" if progress.item else ""
        free = room - len(text) - len(progress.count) - len(item) - len("  []  ")
        if progress.total and free < BAR[0]:
            free += len(item)
            item = ""
        bar = f"  [{_filled(progress, min(free, BAR[1]))}]" if progress.total and free >= BAR[0] else ""
        text += f"{bar}  {progress.count}{item}"
    elif progress:
        text += f": {progress}"
    return cut(text, room)


def _filled(progress: Progress, width: int) -> str:
    assert progress.total
    full = min(width, width * progress.done // progress.total)
    return "#" * full + "." * (width - full)
