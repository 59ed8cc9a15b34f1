# SPDX-License-Identifier: MIT
"""`vm ssh`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genpack_vm.commands.names import TARGET


def command(
    target: Annotated[str, TARGET],
    words: Annotated[list[str] | None, typer.Argument(metavar="[CMD...]", help="Command; a shell if none.")] = None,
    identity: Annotated[
        Path | None, typer.Option("--identity", "-i", metavar="FILE", help="Use this private key.")
    ] = None,
    timeout: Annotated[float | None, typer.Option(metavar="S", help="Give up after S seconds; status 124.")] = None,
) -> None:
    """Run a command, or a shell, in a VM over SSH; its exit status is passed on (125: ssh itself failed)."""
    from genpack_vm import ssh

    command_words = words or []
    if command_words[:1] == ["--"]:
        command_words = command_words[1:]
    raise typer.Exit(ssh.run(target, command_words, identity=identity, timeout=timeout))
