# SPDX-License-Identifier: MIT
"""Errors that a user can meet.

ArtifactsError            something failed; exit status 1
`-- UsageError            bad usage or a bad input file; exit status 2
"""

from __future__ import annotations


class ArtifactsError(Exception):
    """Something failed. `message`: what and on which object; `tip`: what to do next, if there is something."""

    status = 1

    def __init__(self, message: str, *, tip: str | None = None) -> None:
        super().__init__(message)
        self.tip = tip


class UsageError(ArtifactsError):
    """Bad usage or a bad input file."""

    status = 2
