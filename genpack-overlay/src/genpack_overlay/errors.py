# SPDX-License-Identifier: MIT
"""Errors that a person can do something about.

OverlayError         the work failed (status 1)
└── UsageError       bad usage or bad input (status 2)
"""

from __future__ import annotations


class OverlayError(Exception):
    """Expected failure: printed as one line, and a tip if there is one."""

    status = 1

    def __init__(self, message: str, *, tip: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.tip = tip


class UsageError(OverlayError):
    """Bad usage or bad input."""

    status = 2
