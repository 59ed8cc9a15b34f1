# SPDX-License-Identifier: MIT
"""`vm exec`."""

from __future__ import annotations

from typing import Annotated

import typer

from genpack_vm.commands.names import VM_NAME


def command(
    name: Annotated[str, VM_NAME],
    words: Annotated[list[str] | None, typer.Argument(metavar="-- CMD [ARG...]", help="Program, arguments.")] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="S", help="Kill the command after S seconds; status 124.")
    ] = None,
) -> None:
    """Run a command in a VM by its guest agent.

    Stdout, stderr and exit status are the command's (125: exec itself failed). No network
    and no key is needed. The words go to the program as they are; there is no shell between.
    """
    from genpack_vm import guestexec

    command_words = words or []
    if command_words[:1] == ["--"]:
        command_words = command_words[1:]
    raise typer.Exit(guestexec.execute(name, command_words, timeout=timeout))
