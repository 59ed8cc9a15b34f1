# SPDX-License-Identifier: MIT
"""`vm cid`."""

from __future__ import annotations

from typing import Annotated

import typer

from genpack_vm.commands.names import running


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A VM, running or not.", autocompletion=running)],
) -> None:
    """Print the vsock context id (CID) of a VM.

    Of one that does not run, the one that it will get if that is free.
    """
    from genpack_vm import listing

    print(listing.cid(name))
