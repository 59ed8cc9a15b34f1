# SPDX-License-Identifier: MIT
"""The errors of this package.

    Exception
    `-- GenpackInitError   failed (exit status 1)
        `-- UsageError     bad usage or a bad input file (exit status 2)
    BaseException
    `-- Interrupt          SIGINT, SIGTERM at the command line (exit status 130, 143)
"""

from __future__ import annotations


class GenpackInitError(Exception):
    """Something failed. `tip`: what to do next, if that can be said."""

    status = 1

    def __init__(self, message: str, *, tip: str | None = None) -> None:
        super().__init__(message)
        self.tip = tip


class Interrupt(BaseException):
    """SIGINT or SIGTERM at the command line. A plugin's run is not to swallow it, so it is no Exception."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


class UsageError(GenpackInitError):
    """Bad usage, or an input file that can't be used."""

    status = 2
