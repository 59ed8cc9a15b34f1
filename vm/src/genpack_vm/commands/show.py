# SPDX-License-Identifier: MIT
"""`vm show`."""

from __future__ import annotations

from typing import Annotated

import typer

from genpack_vm.commands.names import running


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A running VM; all of them if none.", autocompletion=running)
    ] = None,
) -> None:
    """Everything that is known of a running VM, as JSON."""
    from genpack_vm import listing

    print(listing.show(name), end="")
