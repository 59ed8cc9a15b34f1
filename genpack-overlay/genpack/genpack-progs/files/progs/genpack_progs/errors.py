# SPDX-License-Identifier: MIT
"""Errors that a person can do something about.

ProgsError           the work failed (status 1)
└── UsageError       bad usage or bad input file (status 2)
"""

from __future__ import annotations


class ProgsError(Exception):
    """Expected failure: printed as one line, and a tip if there is one."""

    status = 1

    def __init__(self, message: str, *, tip: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.tip = tip


class UsageError(ProgsError):
    """Bad usage or a bad input file."""

    status = 2
