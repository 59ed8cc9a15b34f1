# SPDX-License-Identifier: MIT
"""`vm ls`, `vm cat` and `vm drift`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

_WHAT = typer.Argument(metavar="IMAGE|NAME", help="An image, a VM's folder, or a VM.")


class Format(StrEnum):
    """Output formats."""

    TEXT = "text"
    JSON = "json"


def ls(
    what: Annotated[str, _WHAT],
    paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH...]", help="Files or folders in it.")] = None,
    long: Annotated[bool, typer.Option("--long", "-l", help="Mode, links, owner, size, time (UTC).")] = False,
    recursive: Annotated[bool, typer.Option("--recursive", "-R", help="Folders in folders too.")] = False,
    format: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.TEXT,
) -> None:
    """List files of an image, or of a VM's merged root, without mounting it."""
    from genpack_vm import looking

    looking.ls(what, paths or (), long=long, recursive=recursive, as_json=format is Format.JSON)


def cat(
    what: Annotated[str, _WHAT],
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files in it.")],
) -> None:
    """Write files of an image, or of a VM's merged root, to stdout."""
    from genpack_vm import looking

    looking.cat(what, paths)


def drift(
    what: Annotated[str, typer.Argument(metavar="NAME", help="A VM, or a VM's folder.")],
    format: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.TEXT,
) -> None:
    """Show what a VM's writable layer adds to, changes in and deletes from its image."""
    from genpack_vm import looking

    looking.drift(what, as_json=format is Format.JSON)
