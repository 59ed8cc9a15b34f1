# SPDX-License-Identifier: MIT
"""The commands: each hands what was given to the module that does it, and prints what that returns."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from click import Choice

from genpack.errors import GenpackError
from genpack.options import read


def phases(given: dict[str, Any], until: str, *, every: bool = False) -> None:
    """Runs the phases; the image's path goes to stdout. `every`: all of them are asked for."""
    from genpack import cache
    from genpack.build import Builder

    settings, log = read(given)
    with cache.used(settings.cache, log):
        builder = Builder.prepare(settings, log, every=every)
        builder.run(until)
    if until == "pack":
        print(builder.image)


def build(given: dict[str, Any]) -> None:
    """Build the image: lower, upper, pack, each only if its inputs changed."""
    phases(given, "pack", every=True)


def lower(given: dict[str, Any]) -> None:
    """Make or update the lower layer: stage3 and all packages."""
    phases(given, "lower")


def upper(given: dict[str, Any]) -> None:
    """Make the upper layer, what the image holds, and the lower if it is stale."""
    phases(given, "upper")


def pack(given: dict[str, Any]) -> None:
    """Make the image, and the layers if they are stale."""
    phases(given, "pack")


def _inside(given: dict[str, Any], layer: str, command: list[str]) -> int:
    from genpack import cache, shell

    try:
        settings, log = read(given)
        with cache.used(settings.cache, log):
            return {"lower": shell.lower, "upper": shell.upper}[layer](settings, log, command)
    except GenpackError as error:
        error.status = shell.OWN_FAILURE
        raise


def bash(
    given: dict[str, Any],
    command: Annotated[list[str] | None, typer.Argument(metavar="[CMD...]", show_default=False)] = None,
) -> int:
    """Run a shell, or CMD, inside the lower layer; its exit status is genpack's, 125 genpack's own failure."""
    return _inside(given, "lower", command or [])


def upper_bash(
    given: dict[str, Any],
    command: Annotated[list[str] | None, typer.Argument(metavar="[CMD...]", show_default=False)] = None,
) -> int:
    """Run a shell, or CMD, in the upper layer on the lower one; what it changes stays in the upper layer."""
    return _inside(given, "upper", command or [])


def plan(given: dict[str, Any]) -> None:
    """Show what a build would do and why, down to the file; do nothing."""
    from genpack import cache, planning

    settings, log = read(given)
    with cache.used(settings.cache, log, make=False):
        foreseen = planning.foresee(settings, log)
    print(planning.as_json(foreseen) if given["json"] else planning.text(foreseen), end="")


def clean(
    given: dict[str, Any],
    part: Annotated[
        str | None,
        typer.Argument(
            metavar="[lower|upper|cache]", show_default=False, click_type=Choice(("lower", "upper", "cache"))
        ),
    ] = None,
) -> None:
    """Remove all work of the architecture and variant, one of its layers, or the shared cache."""
    from genpack import clean as command

    command.run(*read(given), part)


def check(given: dict[str, Any]) -> None:
    """Check the definition and its folders, and do nothing else."""
    from genpack import cache
    from genpack.artifact import check as run

    options, log = read(given)
    with cache.used(options.cache, log, make=False):
        run(options, log)
    log.line(f"{options.directory}: no problems")


def show(given: dict[str, Any]) -> None:
    """Print the merged definition for an architecture and a variant, as JSON."""
    from genpack import cache
    from genpack.artifact import check as merged
    from genpack.show import text

    settings, log = read(given)
    with cache.used(settings.cache, log, make=False):
        found = merged(settings, log)
    print(text(found))


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
    from genpack import cache, locking

    settings, log = read(given)
    with cache.used(settings.cache, log):
        path = locking.run(settings, log, update=update)
    print(path)


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
) -> None:
    """List the packages of IMAGE [the artifact's], or what differs from another image."""
    from genpack import packages as command

    settings, log = read(given)
    print(command.run(settings, log, _absolute(image), diff=_absolute(diff), as_json=bool(given["json"])), end="")


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
COMMANDS = (build, lower, upper, pack, plan, check, lock, clean, show, schema, completion, archive, packages, report)
#: These take the options of another program after their own.
PASSING_ON = (bash, upper_bash)
