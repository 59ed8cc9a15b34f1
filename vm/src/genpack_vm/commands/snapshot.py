# SPDX-License-Identifier: MIT
"""`vm snapshot`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from genpack_vm.commands.list import Format


class Action(StrEnum):
    """What to do with a state."""

    SAVE = "save"
    LIST = "list"
    REVERT = "revert"
    DELETE = "delete"


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A VM that does not run.")],
    action: Annotated[Action, typer.Argument(metavar="save|list|revert|delete", help="What to do.")],
    state: Annotated[
        str | None, typer.Argument(metavar="[STATE]", help="Name of the state; for save the time if none.")
    ] = None,
    data_file: Annotated[
        Path | None, typer.Option("--data-file", "-d", metavar="FILE", help="The data disk, if it is not known.")
    ] = None,
    format: Annotated[Format, typer.Option("--format", help="Output format of list.")] = Format.TABLE,
) -> None:
    """Keep states of a stopped VM's data disk."""
    from genpack_vm import snapshots

    print(snapshots.snapshot(name, action.value, state, data_file, as_json=format is Format.JSON), end="")
