# SPDX-License-Identifier: MIT
"""The command line: words and environment in, exit status out. Nothing else is done here."""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import Annotated, Any, NoReturn

import typer

from genpack import __version__
from genpack.errors import DefinitionError, GenpackError, Terminated
from genpack.log import RED, Log
from genpack.options import read, with_options

#: Errors of the machine, not of the program: told in one line.
SURROUNDINGS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG}

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

app = typer.Typer(
    add_completion=False,
    suggest_commands=False,  # click does it
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _phases(given: dict[str, Any], until: str) -> None:
    """Runs the phases; the image's path goes to stdout."""
    from genpack.build import Builder

    builder = Builder.prepare(*read(given))
    builder.run(until)
    if until == "pack":
        print(builder.image)


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
    context.obj = given
    if context.invoked_subcommand is None:
        _phases(given, "pack")


def build(given: dict[str, Any]) -> None:
    """Build the image: lower, upper, pack, each only if its inputs changed."""
    _phases(given, "pack")


def lower(given: dict[str, Any]) -> None:
    """Make or update the lower layer: stage3 and all packages."""
    _phases(given, "lower")


def upper(given: dict[str, Any]) -> None:
    """Make the upper layer, what the image holds, and the lower if it is stale."""
    _phases(given, "upper")


def pack(given: dict[str, Any]) -> None:
    """Make the image, and the layers if they are stale."""
    _phases(given, "pack")


def bash(
    given: dict[str, Any],
    command: Annotated[list[str] | None, typer.Argument(metavar="[CMD...]", show_default=False)] = None,
) -> int:
    """Run a shell, or CMD, inside the lower layer; its exit status is genpack's, 125 genpack's own failure."""
    from genpack import shell

    try:
        return shell.run(*read(given), command or [])
    except GenpackError as error:
        error.status = shell.OWN_FAILURE
        raise


def check(given: dict[str, Any]) -> None:
    """Check the definition and its folders, and do nothing else."""
    from genpack.build import check as run

    options, log = read(given)
    run(options, log)
    log.line(f"{options.directory}: no problems")


app.callback(invoke_without_command=True)(with_options(main_options, globally=True))
for _command in (build, lower, upper, pack, check):
    app.command()(with_options(_command))
app.command(context_settings={"allow_interspersed_args": False})(with_options(bash))


def _terminate(signum: int, _: object) -> NoReturn:
    for other in SIGNALS:  # what is cleaned up now is not interrupted again
        signal.signal(other, lambda *_: None)
    raise Terminated(signum)


def _report(error: GenpackError) -> None:
    from genpack.steps import explain

    log = Log()
    for line in error.problems if isinstance(error, DefinitionError) else ():
        log.line(line)
    log.line(f"{log.paint('genpack: error:', RED)} {error.message}")
    for line in explain(error):
        log.line(line)
    if error.tip:
        log.line(f"tip: {error.tip}")


def _trace() -> None:
    """The traceback of an expected error, if --debug asks for it."""
    if "--debug" in sys.argv or os.environ.get("GENPACK_DEBUG"):
        import traceback

        traceback.print_exc()


def main() -> None:
    """The command `genpack`: the one place that catches errors and exits."""
    import click

    for signum in SIGNALS:
        if signal.getsignal(signum) != signal.SIG_IGN:  # nohup, or a shell's background job
            signal.signal(signum, _terminate)
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except GenpackError as error:
        _trace()
        _report(error)
        sys.exit(error.status)
    except OSError as error:
        if error.errno not in SURROUNDINGS:
            raise
        _trace()
        _report(GenpackError(f"{error.filename or 'a file'}: {error.strerror}", tip="--debug shows where"))
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Terminated as error:
        name = "interrupted" if error.signum == signal.SIGINT else f"ended by {signal.Signals(error.signum).name}"
        Log().line(f"genpack: {name}")
        sys.exit(128 + error.signum)
