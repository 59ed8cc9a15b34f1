# SPDX-License-Identifier: MIT
"""The commands: each hands what was given to the module that does it, and prints what that returns."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from genpack.errors import GenpackError
from genpack.options import read


def phases(given: dict[str, Any], until: str) -> None:
    """Runs the phases; the image's path goes to stdout."""
    from genpack.build import Builder

    builder = Builder.prepare(*read(given))
    builder.run(until)
    if until == "pack":
        print(builder.image)


def build(given: dict[str, Any]) -> None:
    """Build the image: lower, upper, pack, each only if its inputs changed."""
    phases(given, "pack")


def lower(given: dict[str, Any]) -> None:
    """Make or update the lower layer: stage3 and all packages."""
    phases(given, "lower")


def upper(given: dict[str, Any]) -> None:
    """Make the upper layer, what the image holds, and the lower if it is stale."""
    phases(given, "upper")


def pack(given: dict[str, Any]) -> None:
    """Make the image, and the layers if they are stale."""
    phases(given, "pack")


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
    from genpack.artifact import check as run

    options, log = read(given)
    run(options, log)
    log.line(f"{options.directory}: no problems")


def show(given: dict[str, Any]) -> None:
    """Print the merged definition for an architecture and a variant, as JSON."""
    from genpack.artifact import check as merged
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
    import click

    from genpack.completion import script

    print(script(click.get_current_context().find_root().command, shell))


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


#: In the order in which the help lists them.
COMMANDS = (build, lower, upper, pack, check, lock, show, schema, completion, archive, packages, report)
#: These take the options of another program after their own.
PASSING_ON = (bash,)
