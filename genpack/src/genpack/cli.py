# SPDX-License-Identifier: MIT
"""The command line: words and environment in, exit status out. Nothing else is done here."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Mapping
from typing import Annotated, Any, NoReturn

import typer

from genpack import __version__, commands
from genpack.errors import GenpackError, Terminated, UsageError
from genpack.help import Command, Group
from genpack.log import Log
from genpack.options import Invocation, environment_name, log_of, with_options

#: Errors of the machine, not of the program: told in one line.
FULL = {errno.ENOSPC, errno.EDQUOT}
SURROUNDINGS = {*FULL, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG}

#: What click takes for true in the environment variable of a boolean option.
TRUE = {"1", "true", "t", "yes", "y", "on"}

#: Set by completion scripts when they ask.
VARIABLE = "_GENPACK_COMPLETE"

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

app = typer.Typer(
    cls=Group,
    add_completion=False,
    suggest_commands=False,  # click does it
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"genpack {__version__}")
        raise typer.Exit


def main_options(
    given: dict[str, Any],
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Build a whole operating system image from genpack.json5. Without a command: build."""
    if context.invoked_subcommand is None:
        commands.build(given)


app.callback(invoke_without_command=True)(with_options(main_options, globally=True))
for _command in commands.COMMANDS:
    app.command(cls=Command)(with_options(_command))
for _passing_on in commands.PASSING_ON:
    app.command(cls=Command, context_settings={"allow_interspersed_args": False})(with_options(_passing_on))


def _terminate(signum: int, _: object) -> NoReturn:
    for other in SIGNALS:  # what is cleaned up now is not interrupted again
        signal.signal(other, lambda *_: None)
    raise Terminated(signum)


def _trace(given: Mapping[str, Any], log: Log) -> None:
    """The traceback of an expected error, if --debug asks for it."""
    if given.get("debug"):
        import traceback

        log.line(traceback.format_exc().rstrip())


def _early() -> Invocation:
    """What errors need to know before the options are read: are they for programs?"""
    wanted = {
        name: f"--{name}" in sys.argv or os.environ.get(environment_name(name), "").strip().lower() in TRUE
        for name in ("json", "debug")
    }
    return Invocation(given=wanted)


def _fail(error: GenpackError, call: Invocation) -> NoReturn:
    from genpack import failure

    log = call.log or log_of(call.given)
    _trace(call.given, log)
    failure.tell(log, error, call)
    sys.exit(error.status)


def main() -> None:
    """The command `genpack`: the one place that catches errors and exits."""
    import click

    os.umask(0o022)  # what is made for an image does not depend on who makes it
    for signum in SIGNALS:
        if signal.getsignal(signum) != signal.SIG_IGN:  # nohup, or a shell's background job
            signal.signal(signum, _terminate)
    call = _early()
    try:
        if VARIABLE in os.environ:
            from genpack.completion import answer

            sys.exit(answer(typer.main.get_command(app)))
        sys.exit(app(standalone_mode=False, obj=call) or 0)
    except GenpackError as error:
        _fail(error, call)
    except OSError as error:
        if error.errno not in SURROUNDINGS:
            raise
        if error.errno in FULL:
            from genpack import space

            _fail(space.of_error(error), call)
        _fail(GenpackError(f"{error.filename or 'a file'}: {error.strerror}", tip="--debug shows where"), call)
    except click.ClickException as error:
        variable = getattr(getattr(error, "param", None), "envvar", None)
        tip = f"the environment variable {variable} is set" if variable and variable in os.environ else None
        if call.given.get("json"):
            _fail(UsageError(error.format_message(), tip=tip), call)
        error.show()
        if tip:
            Log().line(f"tip: {tip}")
        sys.exit(error.exit_code)
    except Terminated as error:
        name = "interrupted" if error.signum == signal.SIGINT else f"ended by {signal.Signals(error.signum).name}"
        status = 128 + error.signum
        (call.log or log_of(call.given)).failure([f"genpack: {name}"], message=name, status=status)
        sys.exit(status)
