# SPDX-License-Identifier: MIT
"""Command line of genpack-artifacts: flags in, exit status out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from genpack_artifacts import log
from genpack_artifacts.errors import ArtifactsError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Folder = Annotated[
    Path | None, typer.Option("--dir", metavar="DIR", help="Folder of artifacts. Default: those of this package.")
]
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Artifacts. Default: all.")]


def show_version(value: bool) -> None:
    """Print the version and end."""
    if value:
        from importlib.metadata import version

        print(f"genpack-artifacts {version('genpack-artifacts')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Image definitions for genpack."""


@app.command("list")
def list_(
    json: Json = False,
    directory: Folder = None,
    stencils: Annotated[bool, typer.Option("--stencils", help="List the stencils instead.")] = False,
) -> None:
    """List the artifacts: name, profile, architectures, variants, purpose."""
    from genpack_artifacts import artifacts, data, show
    from genpack_artifacts.stencils import stencils as all_stencils

    if stencils:
        themes = all_stencils()
        print(show.stencils_json(themes) if json else show.stencils_table(themes))
        return
    good, status = [], 0
    for folder in artifacts.folders(directory or data.folder("artifacts")):
        try:
            good.append(artifacts.read(folder))
        except ArtifactsError as e:
            # One bad artifact does not hide the others.
            log.error(str(e), e.tip)
            status = e.status
    print(show.artifacts_json(good) if json else show.artifacts_table(good))
    if status:
        raise typer.Exit(status)


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the artifact and of its folder.")],
    template: Annotated[
        str, typer.Option("--from", metavar="TEMPLATE", help="minimal, server, desktop or appliance.")
    ] = "minimal",
    directory: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="Folder to make it in. Default: the current one.")
    ] = Path(),
    json: Json = False,
) -> None:
    """Make a new artifact from a template."""
    from genpack_artifacts import show, templates

    made = templates.make(name, template, directory)
    if json:
        print(show.document(artifact=name, path=made, template=template))
    else:
        print(f"{made}: made from the template {template}; build it with: genpack -C {made} build")


@app.command()
def check(names: Names = None, directory: Folder = None, json: Json = False) -> None:
    """Check artifacts: README, keys and atoms (with genpack), scripts (with shellcheck), units."""
    from genpack_artifacts import artifacts, data, show
    from genpack_artifacts import check as checks

    chosen = artifacts.select(directory or data.folder("artifacts"), names or [])
    checks.require()
    found = {folder: checks.check(folder) for folder in chosen}
    if json:
        print(show.problems_json(found))
    else:
        for folder, problems in found.items():
            for problem in problems:
                log.error(str(problem))
            print(f"{folder.name}: {f'{len(problems)} problems' if problems else 'good'}")
    if any(found.values()):
        raise typer.Exit(2)


@app.command()
def matrix(
    names: Names = None,
    directory: Folder = None,
    arch: Annotated[
        list[str] | None, typer.Option("--arch", metavar="ARCH", help="This architecture only (repeatable).")
    ] = None,
    json: Json = False,
) -> None:
    """Print the build matrix: artifact x variant x architecture."""
    from genpack_artifacts import artifacts, data, show
    from genpack_artifacts import matrix as build

    for wanted in arch or []:
        if wanted not in artifacts.ARCHITECTURES:
            raise typer.BadParameter(f"{wanted}: the architectures are {', '.join(artifacts.ARCHITECTURES)}")
    chosen = [artifacts.read(folder) for folder in artifacts.select(directory or data.folder("artifacts"), names or [])]
    entries = build.matrix(chosen, arch or [])
    print(show.matrix_json(entries) if json else show.matrix_table(entries))


@app.command()
def apply(
    theme: Annotated[str, typer.Argument(metavar="THEME", help="A stencil; list --stencils shows them.")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The artifact's folder.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be added and write nothing.")] = False,
    json: Json = False,
) -> None:
    """Add a stencil to an artifact. What is there stays; what contradicts it is shown, and then nothing is written."""
    from genpack_artifacts import show, stencils

    todo = stencils.plan(stencils.stencil(theme), directory)
    written = not dry_run and not todo.conflicts
    if written:
        stencils.apply(todo)
    if json:
        print(show.plan_json(todo, written=written))
    else:
        show.plan_text(todo, dry_run=dry_run)
    if todo.conflicts:
        raise typer.Exit(1)


def main() -> None:
    """Entry point: the one place where errors become exit statuses."""
    try:
        app()
    except ArtifactsError as e:
        log.error(str(e), e.tip)
        sys.exit(e.status)
    except KeyboardInterrupt:
        sys.exit(130)
