# SPDX-License-Identifier: MIT
"""Text for people goes to stderr; stdout is for data."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Print one line for people, at once: the output is read while the program runs."""
    print(text, file=sys.stderr, flush=True)
