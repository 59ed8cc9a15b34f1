# SPDX-License-Identifier: MIT
"""A machine's console log: wait for lines of it, look for signs of trouble in it."""

from __future__ import annotations

import re
import time
from pathlib import Path

#: What a good boot never prints.
TROUBLE = re.compile(
    # In small letters it is QEMU's "MP-BIOS bug: ", which a busy host causes, or somebody's "debug: ".
    r"Kernel panic|\bOops\b|(?-i:BUG: )|Call Trace:|general protection fault|segfault at|Out of memory"
    r"|Entering emergency mode|emergency shell|Give root password for maintenance|dracut-emergency"
    r"|Failed to (start|mount|listen)|\[FAILED\]|Dependency failed for|ordering cycle"
    r"|Failed to mount /run/initramfs|cannot be mounted|You are in emergency mode"
    r"|Traceback \(most recent call last\)",
    re.IGNORECASE,
)
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][A-Z0-9]|\r")
INTERVAL = 0.2  # seconds between two looks at the file


class Console:
    """The file that QEMU's console is written to while the machine runs."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def text(self) -> str:
        """Everything so far, without terminal escapes."""
        if not self.path.exists():
            return ""
        return ESCAPES.sub("", self.path.read_text(errors="replace"))

    def lines(self, pattern: str) -> list[str]:
        """The lines that match so far."""
        return [line for line in self.text().splitlines() if re.search(pattern, line)]

    def wait(self, pattern: str, timeout: float) -> str:
        """The first line that matches, within `timeout` seconds; a failure shows the end of the log."""
        end = time.monotonic() + timeout
        while True:
            found = self.lines(pattern)
            if found:
                return found[0]
            if time.monotonic() > end:
                tail = "\n".join(self.text().splitlines()[-30:])
                raise AssertionError(f"no line matches {pattern!r} within {timeout:g} s; the log ends with\n{tail}")
            time.sleep(INTERVAL)

    def trouble(self, expected: str | None = None) -> list[str]:
        """Lines that tell of trouble, those that match `expected` left out."""
        lines = [line for line in self.text().splitlines() if TROUBLE.search(line)]
        return [line for line in lines if expected is None or not re.search(expected, line)]
