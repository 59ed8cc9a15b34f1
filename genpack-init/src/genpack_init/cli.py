# SPDX-License-Identifier: MIT
"""The command line of genpack-init, when it is not PID 1."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from genpack_init.errors import GenpackInitError, Interrupt, UsageError

if TYPE_CHECKING:
    import argparse

EPILOG = "Without a command: an interactive Python with genpack_init loaded."


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    import argparse

    from genpack_init import __version__

    parser = argparse.ArgumentParser("genpack-init", description="Apply system.ini through plugins.", epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"genpack-init {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    places = argparse.ArgumentParser(add_help=False)
    places.add_argument("--ini", metavar="FILE", help="this system.ini instead of the machine's")
    places.add_argument("--root", metavar="DIR", default="/", help="work on the system below DIR (default /)")
    run = commands.add_parser("run", parents=[places], help="run plugins now")
    run.add_argument("plugins", metavar="PLUGIN", nargs="+", help="a file, or a name in usr/lib/genpack-init of DIR")
    run.add_argument("--debug", action="store_true", help="log in detail")
    check = commands.add_parser("check", parents=[places], help="list plugins, their keys, and keys that nobody reads")
    check.add_argument("--json", action="store_true", help="for programs")
    commands.add_parser("blame", help="plugins of this boot, slowest first")
    commands.add_parser("report", help="finish boot-report.txt on the boot partition")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status (0 done, 1 failed, 2 bad usage or input, 130/143 interrupted)."""
    import signal

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    try:
        options = build_parser().parse_args(sys.argv[1:] if argv is None else argv)
        status = _dispatch(options)
        sys.stdout.flush()
        return status
    except GenpackInitError as error:
        print(f"genpack-init: error: {error}", file=sys.stderr)
        if error.tip:
            print(f"tip: {error.tip}", file=sys.stderr)
        return error.status
    except Interrupt as interrupt:
        return interrupt.status
    except BrokenPipeError:
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader of our output is gone; nothing to flush
        return 1


def _interrupted(number: int, _: object) -> None:
    raise Interrupt(number)


def _dispatch(options: argparse.Namespace) -> int:
    from genpack_init import commands
    from genpack_init.log import set_up_people
    from genpack_init.paths import rooted

    if options.command is None:
        import signal

        signal.signal(signal.SIGINT, signal.default_int_handler)  # Ctrl-C ends a line there, not the program
        set_up_people()
        return commands.interact()
    if options.command == "blame":
        return commands.blame()
    if options.command == "report":
        set_up_people()
        return commands.report()
    import os

    if not os.path.isdir(options.root):
        raise UsageError(f"--root {options.root}: no such folder")
    with rooted(options.root):
        set_up_people(logging.DEBUG if getattr(options, "debug", False) else logging.INFO)
        command: Any = {"run": commands.run, "check": commands.check}[options.command]
        return int(command(options))
