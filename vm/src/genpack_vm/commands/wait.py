# SPDX-License-Identifier: MIT
"""`vm wait`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from genpack_vm.commands.names import VM_NAME


class For(StrEnum):
    """What can be waited for; `genpack_vm.waiting.Goal` for the command line."""

    SSH = "ssh"
    AGENT = "agent"
    SYSTEMD = "systemd"
    SHUTDOWN = "shutdown"


def command(
    name: Annotated[str, VM_NAME],
    goal: Annotated[For, typer.Option("--for", help="What to wait for.")] = For.SSH,
    timeout: Annotated[float, typer.Option(metavar="S", help="Give up after S seconds; status 124.")] = 300.0,
) -> None:
    """Block until a VM answers by SSH or guest agent, has finished booting (systemd), or has ended (shutdown)."""
    from genpack_vm import waiting

    waiting.wait(name, waiting.Goal(goal.value), timeout)
