# SPDX-License-Identifier: MIT
"""Text for people, on stderr. NO_COLOR and streams that are no terminals are honoured."""

from __future__ import annotations

import os
import sys

RED = "\033[31m"
RESET = "\033[0m"


def say(text: str) -> None:
    """Print one line."""
    print(text, file=sys.stderr)


def error(text: str) -> None:
    """Print one line that tells of an error."""
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    say(f"{RED}{text}{RESET}" if colour else text)
