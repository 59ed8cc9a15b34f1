# SPDX-License-Identifier: MIT
"""Command line of genpack-artifacts: flags in, exit status out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genpack_artifacts import log
from genpack_artifacts.errors import ArtifactsError

if TYPE_CHECKING:
    from genpack_artifacts.artifacts import Artifact

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


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


def as_json(artifacts: list[Artifact]) -> str:
    """The list as JSON text; the fields are described in genpack-artifacts(1)."""
    import json
    from dataclasses import asdict

    return json.dumps({"version": 1, "artifacts": [asdict(a) for a in artifacts]}, default=str, indent=2)


def as_table(artifacts: list[Artifact]) -> str:
    """The list as aligned columns."""
    rows = [("NAME", "PROFILE", "ARCHITECTURES", "VARIANTS", "PURPOSE")]
    rows += [
        (a.name, a.profile or "-", ",".join(a.architectures), ",".join(a.variants) or "-", a.purpose) for a in artifacts
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "\n".join("  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[4]]) for row in rows)


@app.command("list")
def list_(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    directory: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", help="Folder of artifacts. Default: those of this package.")
    ] = None,
) -> None:
    """List the artifacts: name, profile, architectures, variants, purpose."""
    from genpack_artifacts import artifacts

    good, status = [], 0
    for folder in artifacts.folders(directory or artifacts.collection()):
        try:
            good.append(artifacts.read(folder))
        except ArtifactsError as e:
            # One bad artifact does not hide the others.
            log.error(str(e), e.tip)
            status = e.status
    print(as_json(good) if json else as_table(good))
    if status:
        raise typer.Exit(status)


def main() -> None:
    """Entry point: the one place where errors become exit statuses."""
    try:
        app()
    except ArtifactsError as e:
        log.error(str(e), e.tip)
        sys.exit(e.status)
    except KeyboardInterrupt:
        sys.exit(130)
