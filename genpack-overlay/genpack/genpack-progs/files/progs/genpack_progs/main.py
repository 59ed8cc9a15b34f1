# SPDX-License-Identifier: MIT
"""The one error boundary of all programs."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType

from .errors import ProgsError
from .log import say


class Terminated(BaseException):
    """SIGTERM came: unwinds like KeyboardInterrupt."""


def run(prog: str, command: Callable[[list[str]], None]) -> int:
    """Run a program's command with its arguments; return its exit status (130 and 143 when interrupted)."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        command(sys.argv[1:])
    except ProgsError as e:
        say(f"{prog}: error: {e.message}")
        if e.tip:
            say(f"tip: {e.tip}")
        return e.status
    except KeyboardInterrupt:
        return 130
    except Terminated:
        return 143
    return 0


def _terminate(_signum: int, _frame: FrameType | None) -> None:
    raise Terminated
