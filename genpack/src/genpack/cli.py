# SPDX-License-Identifier: MIT
"""The command line: words and environment in, exit status out. Nothing else is done here."""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from genpack import __version__
from genpack.errors import DefinitionError, GenpackError, Terminated
from genpack.help import Command, Group
from genpack.log import RED, Log
from genpack.options import read, with_options

#: Errors of the machine, not of the program: told in one line.
SURROUNDINGS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG}

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


def show(given: dict[str, Any]) -> None:
    """Print the merged definition for an architecture and a variant, as JSON."""
    from genpack.build import check as merged
    from genpack.show import text

    print(text(merged(*read(given))))


def schema(given: dict[str, Any]) -> None:
    """Print the JSON Schema of genpack.json5, for editors."""
    from genpack.schema import text

    print(text())


def completion(
    given: dict[str, Any],
    shell: Annotated[str | None, typer.Argument(metavar="[SHELL]", show_default=False)] = None,
) -> None:
    """Print the completion script for bash, zsh or fish [the one that $SHELL names]."""
    from genpack.completion import script

    print(script(typer.main.get_command(app), shell))


def lock(
    given: dict[str, Any],
    update: Annotated[bool, typer.Option("--update", help="Refresh everything to the latest.")] = False,
) -> None:
    """Write genpack.lock, or add what it lacks; --update refreshes it."""
    from genpack import locking

    print(locking.run(*read(given), update=update))


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.expanduser().absolute()


def archive(
    given: dict[str, Any],
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="File to write.")] = None,
) -> None:
    """Pack the definition and its folders into genpack-NAME.tar.gz."""
    from genpack import archive as command

    settings, log = read(given)  # which goes to the folder of -C
    print(command.run(settings, log, _absolute(output)))


def packages(
    given: dict[str, Any],
    image: Annotated[Path | None, typer.Argument(metavar="[IMAGE]", show_default=False)] = None,
    diff: Annotated[Path | None, typer.Option("--diff", metavar="OLD", help="Show what differs from OLD.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the packages of IMAGE [the artifact's], or what differs from another image."""
    from genpack import packages as command

    settings, log = read(given)
    print(command.run(settings, log, _absolute(image), diff=_absolute(diff), as_json=as_json), end="")


def report(
    given: dict[str, Any],
    diff: Annotated[Path | None, typer.Option("--diff", metavar="OLD", help="Show what differs from OLD.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="File to write.")] = None,
) -> None:
    """Write a page on the image: its size by package and folder, packages, licences, build times, changes."""
    from genpack import report as command

    settings, log = read(given)
    print(command.run(settings, log, diff=_absolute(diff), output=_absolute(output)))


app.callback(invoke_without_command=True)(with_options(main_options, globally=True))
for _command in (build, lower, upper, pack, check, lock, show, schema, completion, archive, packages, report):
    app.command(cls=Command)(with_options(_command))
app.command(cls=Command, context_settings={"allow_interspersed_args": False})(with_options(bash))


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
    if "--debug" in sys.argv or os.environ.get("GENPACK_DEBUG", "").strip().lower() in TRUE:
        import traceback

        traceback.print_exc()


def main() -> None:
    """The command `genpack`: the one place that catches errors and exits."""
    import click

    os.umask(0o022)  # what is made for an image does not depend on who makes it
    for signum in SIGNALS:
        if signal.getsignal(signum) != signal.SIG_IGN:  # nohup, or a shell's background job
            signal.signal(signum, _terminate)
    try:
        if VARIABLE in os.environ:
            from genpack.completion import answer

            sys.exit(answer(typer.main.get_command(app)))
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
        variable = getattr(getattr(error, "param", None), "envvar", None)
        if variable and variable in os.environ:
            Log().line(f"tip: the environment variable {variable} is set")
        sys.exit(error.exit_code)
    except Terminated as error:
        name = "interrupted" if error.signum == signal.SIGINT else f"ended by {signal.Signals(error.signum).name}"
        Log().line(f"genpack: {name}")
        sys.exit(128 + error.signum)
