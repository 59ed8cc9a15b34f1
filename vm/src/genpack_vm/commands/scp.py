# SPDX-License-Identifier: MIT
"""`vm scp`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genpack_vm.commands.names import PLACE


def command(
    places: Annotated[list[str], PLACE],
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Copy folders with all in them.")] = False,
    identity: Annotated[
        Path | None, typer.Option("--identity", "-i", metavar="FILE", help="Use this private key.")
    ] = None,
    timeout: Annotated[float | None, typer.Option(metavar="S", help="Give up after S seconds; status 124.")] = None,
) -> None:
    """Copy files between this machine and a VM with scp."""
    from genpack_vm import ssh

    ssh.copy(places, identity=identity, recursive=recursive, timeout=timeout)
