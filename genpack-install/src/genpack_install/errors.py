# SPDX-License-Identifier: MIT
"""The errors that this package expects; anything else is a bug and ends in a traceback.

InstallError               status 1    the work failed
 +- UsageError             status 2    bad usage, or a file that can't be used for this
 |   +- ImageError         status 2    the image is damaged, or can't be installed
 +- InterruptError         status 128 + signal
"""

from __future__ import annotations

import signal


class InstallError(Exception):
    """An expected failure: the message says what, on which object; `tip` says what to do next."""

    status = 1

    def __init__(self, message: str, *, tip: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.tip = tip
        if status is not None:
            self.status = status


class UsageError(InstallError):
    """The command line, or a file or device named there, is wrong."""

    status = 2


class ImageError(UsageError):
    """The image cannot be read, or holds nothing that can be installed."""


class InterruptError(InstallError):
    """A signal asked for the end."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"ended by {signal.Signals(signum).name}", status=128 + signum)
