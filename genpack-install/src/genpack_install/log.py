# SPDX-License-Identifier: MIT
"""Text for people, on stderr. Data goes to stdout and never through here."""

from __future__ import annotations

import os
import sys

_RED, _YELLOW, _DIM, _RESET = "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


class Log:
    """Where the lines go. `debug`: show the programs that run."""

    def __init__(self, *, debug: bool = False) -> None:
        self.shows_debug = debug

    @staticmethod
    def _paint(text: str, colour: str) -> str:
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stderr.isatty():
            return text
        return f"{colour}{text}{_RESET}"

    @staticmethod
    def line(text: str) -> None:
        """One line as it is."""
        try:
            print(text, file=sys.stderr, flush=True)
        except (OSError, ValueError):
            pass  # a closed stderr must not stop the work

    def debug(self, text: str) -> None:
        """A line for --debug."""
        if self.shows_debug:
            self.line(self._paint(text, _DIM))

    def warning(self, text: str) -> None:
        """Something that is probably not meant."""
        self.line(f"genpack-install: {self._paint('warning:', _YELLOW)} {text}")

    def error(self, text: str, tip: str | None = None) -> None:
        """The error line of the program, and what to do next."""
        self.line(f"genpack-install: {self._paint('error:', _RED)} {text}")
        if tip:
            self.line(self._paint(f"tip: {tip}", _DIM))


def size(count: int) -> str:
    """Bytes for people: 1.5 GiB."""
    value = float(count)
    if count < 1024:
        return f"{count} bytes"
    units = ["KiB", "MiB", "GiB", "TiB"]
    value /= 1024
    while value >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{value:.1f} {units[0]}"
