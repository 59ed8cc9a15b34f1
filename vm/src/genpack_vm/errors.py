# SPDX-License-Identifier: MIT
"""The errors that this package expects; anything else is a bug and ends in a traceback.

VmError                    status 1    the work failed
 +- UsageError             status 2    bad usage, or an input file that is wrong
 |   +- ImageError         status 2    the image is damaged, or has nothing to boot
 +- NotRunningError        status 1    no VM of that name runs
 +- QmpError               status 1    QEMU's control socket is gone, silent, or said no
 +- WaitTimeoutError       status 124  a time limit passed
 +- InterruptError         status 128 + signal
"""

from __future__ import annotations


class VmError(Exception):
    """An expected failure: the message says what, on which object; `tip` says what to do next."""

    status = 1

    def __init__(self, message: str, *, tip: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.tip = tip
        if status is not None:
            self.status = status


class UsageError(VmError):
    """The command line or an input file is wrong."""

    status = 2


class ImageError(UsageError):
    """The image cannot be read, or holds nothing that boots."""


class NotRunningError(VmError):
    """No VM of that name runs."""


class QmpError(VmError):
    """QEMU's control socket is gone, does not answer, or refused the command."""


class WaitTimeoutError(VmError):
    """What was waited for did not come in time."""

    status = 124


class InterruptError(VmError):
    """A signal asked for the end. `clean`: the end was orderly, and not by force."""

    clean = True

    def __init__(self, signum: int, message: str) -> None:
        super().__init__(message, status=128 + signum)
