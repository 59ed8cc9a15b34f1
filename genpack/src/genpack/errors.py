# SPDX-License-Identifier: MIT
"""What can go wrong, as a tree.

GenpackError                 expected: one line, a tip, exit status 1
├── ProgramError             a program could not be started, failed or was killed
├── StepError                a step of a phase failed: carries the end of its output and the log file
├── TrustError               a signature, size or hash is not what it must be
└── UsageError               bad usage or bad input file, exit status 2
    └── DefinitionError      genpack.json5 has problems: all of them, one a line

Terminated                   SIGINT, SIGTERM or SIGHUP; not an Exception, so that nothing swallows it
"""

from __future__ import annotations

from pathlib import Path


class GenpackError(Exception):
    """An expected failure: what failed, on which object; `tip` says what to do next; `log` is the log of the phase
    that it ended, if any."""

    status = 1

    def __init__(self, message: str, *, tip: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.tip = tip
        self.log: Path | None = None


class ProgramError(GenpackError):
    """A program is missing, failed or was killed by a signal. `returncode` is None if it never ran."""

    def __init__(self, message: str, *, tip: str | None = None, returncode: int | None = None) -> None:
        super().__init__(message, tip=tip)
        self.returncode = returncode


class StepError(GenpackError):
    """A step of a phase failed. `tail` holds the last lines of its output; `output` all of it, where that is kept."""

    output = ""

    def __init__(self, message: str, *, tail: list[str], log: Path, tip: str | None = None) -> None:
        super().__init__(message, tip=tip)
        self.tail = tail
        self.log = log


class TrustError(GenpackError):
    """A fetched file can't be trusted: signature, size or hash."""


class UsageError(GenpackError):
    """Bad usage or a bad input file."""

    status = 2


class DefinitionError(UsageError):
    """The artifact's definition has problems; `problems` holds one finished line each."""

    def __init__(self, message: str, problems: list[str]) -> None:
        super().__init__(message)
        self.problems = problems


class Terminated(BaseException):
    """A signal that ends genpack arrived; `signum` says which."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
