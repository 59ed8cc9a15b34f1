# SPDX-License-Identifier: MIT
"""Text for people, on stderr. Data goes to stdout and not through here."""

from __future__ import annotations

import os
import sys

PROGRAM = "genpack-artifacts"


def _paint(text: str, code: str) -> str:
    """`text` in a colour, if stderr is a terminal and NO_COLOR is not set."""
    if os.environ.get("NO_COLOR") or not sys.stderr.isatty():
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def error(message: str, tip: str | None = None) -> None:
    """One line that says what failed, and a line that says what to do."""
    print(f"{PROGRAM}: {_paint('error:', '31')} {message}", file=sys.stderr)
    if tip:
        print(f"{_paint('tip:', '36')} {tip}", file=sys.stderr)
