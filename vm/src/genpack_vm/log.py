# SPDX-License-Identifier: MIT
"""Text for people, on stderr. Data goes to stdout and never through here."""

from __future__ import annotations

import os
import sys

_RED, _YELLOW, _DIM, _RESET = "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


def _paint(text: str, colour: str) -> str:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stderr.isatty():
        return text
    return f"{colour}{text}{_RESET}"


def _line(text: str) -> None:
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # a closed stderr must not stop the work


def info(message: str) -> None:
    """One line about what happens."""
    _line(f"vm: {message}")


def warning(message: str) -> None:
    """One line about something that is probably not meant."""
    _line(f"vm: {_paint('warning:', _YELLOW)} {message}")


def error(message: str, tip: str | None = None) -> None:
    """The error line of the program, and what to do next."""
    _line(f"vm: {_paint('error:', _RED)} {message}")
    if tip:
        _line(_paint(f"tip: {tip}", _DIM))
