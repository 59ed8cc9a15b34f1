# SPDX-License-Identifier: MIT
"""Shell completion: the scripts (`genpack completion`), and what the options' values may be here.

The scripts are click's own and ask genpack itself; typer's replacements for them would not complete file names.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genpack.arch import ARCHES
from genpack.errors import GenpackError, UsageError
from genpack.model import ALGORITHMS

SHELLS = ("bash", "zsh", "fish")

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def script(command: click.Command, shell: str | None) -> str:
    """The script that a shell reads; by default for the shell that $SHELL names. Raises UsageError."""
    from click.shell_completion import get_completion_class

    from genpack.cli import VARIABLE

    wanted = shell or Path(os.environ.get("SHELL", "")).name
    if wanted not in SHELLS:
        said = f"no completion for the shell '{wanted}'" if wanted else "$SHELL is not set"
        raise UsageError(said, tip="name one: genpack completion " + "|".join(SHELLS))
    maker = get_completion_class(wanted)
    assert maker is not None
    try:
        return maker(command, {}, "genpack", VARIABLE).source()
    except RuntimeError as error:  # an old bash, or none
        raise GenpackError(str(error)) from error


def answer(command: click.Command) -> int:
    """Answers a completion script's question."""
    from click.shell_completion import shell_complete

    from genpack.cli import VARIABLE

    return shell_complete(command, {}, "genpack", VARIABLE, os.environ[VARIABLE])


def arches(ctx: click.Context, incomplete: str) -> list[str]:
    return [name for name in ARCHES if name.startswith(incomplete)]


def algorithms(ctx: click.Context, incomplete: str) -> list[str]:
    """Algorithms, and after a colon the levels."""
    name, colon, level = incomplete.partition(":")
    if not colon:
        return [each for each in ALGORITHMS if each.startswith(incomplete)]
    return [f"{name}:{each}" for each in ALGORITHMS.get(name) or () if str(each).startswith(level)]


def variants(ctx: click.Context, incomplete: str) -> list[str]:
    """The variants of the definition here, or in the folder that -C names; none if it can't be read."""
    from genpack import definition

    given = [context.params.get("directory") for context in (ctx, ctx.parent) if context is not None]
    folder = next((each for each in given if each is not None), os.environ.get("GENPACK_DIRECTORY") or ".")
    try:
        source, _ = definition.read(definition.find(Path(folder)))
    except GenpackError:
        return []
    return [name for name in source.variants if name.startswith(incomplete)]


class Place(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """A file or folder, which the shell completes; `kind` is "file" or "dir"."""

    name = "path"

    def __init__(self, kind: str, *, text: bool) -> None:
        self.kind = kind
        self.text = text

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if self.text else Path(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type=self.kind)]


def place(metavar: str) -> Place | None:
    """The type of an option that takes a path, by what its help shows."""
    kinds = {"FILE": "file", "DIR": "dir", "URL|DIR": "dir"}
    return Place(kinds[metavar], text="URL" in metavar) if metavar in kinds else None


#: Option -> what completes its values.
VALUES: dict[str, Callable[[click.Context, str], list[str]]] = {
    "arch": arches,
    "compression": algorithms,
    "variant": variants,
}
