# SPDX-License-Identifier: MIT
"""The steps of a phase: a line each for people, everything they print in the phase's log file."""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from genpack import process, space
from genpack.errors import GenpackError, ProgramError, StepError
from genpack.log import Log
from genpack.progress import Progress, Watch

TAIL_LINES = 20
#: Lines in which a program says what failed: the package, the script, the file.
_BLAME = (
    (re.compile(r">>> Failed to emerge ([^\s,]+)"), "{} failed"),
    (re.compile(r"emerge: (there are no ebuilds to satisfy .+)"), "{}"),
    (re.compile(r"!!! (Fetch failed for .+), can't update Manifest"), "{}"),
    (re.compile(r"!!! (All ebuilds that could satisfy .+)"), "{}"),
    (re.compile(r"[a-z][a-z-]*: error: (.+)"), "{}"),
)


class Steps:
    """A context manager that holds the phase's log file open. `places` are the folders that may be full when a program
    fails."""

    def __init__(self, phase: str, path: Path, log: Log, places: Sequence[space.Place] = ()) -> None:
        self.phase = phase
        self.places = places
        self.path = path
        self.log = log
        self.started = time.monotonic()
        self._name = ""

    def __enter__(self) -> Steps:
        self._file = self.path.open("w", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._file.close()
            return
        with suppress(OSError):  # the disk may be full, and the error is what matters
            self.write(f"# ended by {kind.__name__ if kind else ''}: {error}")
        if isinstance(error, GenpackError):
            error.log = self.path
        with suppress(OSError):
            self._file.close()
        if isinstance(error, OSError) and (full := space.shortage(self.places, [str(error)])):
            raise StepError(f"{self.phase}: {self._name}: {full[0]}", tail=[], log=self.path, tip=full[1]) from error

    @property
    def seconds(self) -> float:
        """How long the phase has run."""
        return time.monotonic() - self.started

    def write(self, line: str) -> None:
        """A line into the log file."""
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step. An expected error that leaves it says which step it was."""
        self._name = name
        self.write(f"# {time.strftime('%H:%M:%S')} {self.phase}: {name}")
        with self.log.step(name, self.phase):
            yield

    def command(
        self,
        argv: Sequence[str | Path],
        *,
        what: str,
        cwd: Path | None = None,
        tip: str | None = None,
        tail: Callable[[], list[str]] | None = None,
        allow: Callable[[int], bool] = lambda status: status == 0,
        watch: Watch = lambda line: None,
        bar: bool = False,
    ) -> dict[str, int]:
        """Runs a program, its output into the log. `what` names it in the error. Returns the numbers of the last line
        that is a JSON object ({} if none). `tail` may give better last lines than the output's own. Raises StepError
        unless `allow` takes the exit status. `watch` reads the progress from a line; with `bar` these lines are nothing
        but progress, and not in the log."""
        self.write("$ " + process.command_line(argv))
        self.log.debug(process.command_line(argv))
        last: deque[str] = deque(maxlen=TAIL_LINES)
        numbers: dict[str, int] = {}
        blamed: list[str] = []

        def on_line(line: str) -> None:
            if (told := watch(line)) is not None:
                self.log.progress(told)
                if bar:
                    return
            self.write(line)
            if line.startswith("{") and line.endswith("}") and (found := _numbers(line)):
                numbers.clear()
                numbers.update(found)
                if "done" in found and "total" in found:
                    self.log.progress(Progress(found["done"], found["total"], "files"))
                return
            if line.strip():
                last.append(line)
            blamed.extend(words.format(match[1]) for pattern, words in _BLAME if (match := pattern.match(line)))

        try:
            status = process.stream(argv, on_line=on_line, on_tick=self.log.progress, cwd=cwd)
        except ProgramError as error:
            self.write(f"# {error.message}")
            raise
        with suppress(OSError):
            self.write(f"# {process.ended(status)}")
        if not allow(status):
            lines = list(last)
            with suppress(OSError):  # copies of build logs, to a disk that is full perhaps
                lines = (tail() if tail else []) or lines
            why = "".join(f": {each}" for each in [", ".join(dict.fromkeys(blamed))] if each)
            raise self.failure(f"{what} {process.ended(status)}{why}", lines, tip)
        return numbers

    def failure(self, what: str, tail: Sequence[str] = (), tip: str | None = None) -> StepError:
        """The error for this step."""
        with suppress(OSError):
            self.write(f"# failed: {what}")
        if full := space.shortage(self.places, tail):
            what, tip = f"{what}: {full[0]}", full[1]
        return StepError(f"{self.phase}: {self._name}: {what}", tail=list(tail)[-TAIL_LINES:], log=self.path, tip=tip)


def _numbers(line: str) -> dict[str, int]:
    """The integers of a JSON object in one line; {} if it is none."""
    try:
        data = json.loads(line)
    except ValueError:
        return {}
    return {k: v for k, v in data.items() if isinstance(v, int)} if isinstance(data, dict) else {}
