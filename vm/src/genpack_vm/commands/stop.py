# SPDX-License-Identifier: MIT
"""`vm stop`."""

from __future__ import annotations

from typing import Annotated

import typer

DEFAULT_TIMEOUT = 150.0


def command(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Running VMs.")],
    force: Annotated[bool, typer.Option("--force", "-f", help="End QEMU at once.")] = False,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Return when the VMs have ended.")] = False,
    wait_timeout: Annotated[
        float | None, typer.Option(metavar="S", help="Wait at most S seconds [150]; implies -w; status 124.")
    ] = None,
) -> None:
    """Ask VMs to power down, as their power button would."""
    from genpack_vm import stopping

    timeout = DEFAULT_TIMEOUT if wait_timeout is None else wait_timeout
    wait = wait or wait_timeout is not None
    stopping.stop(stopping.StopOptions(tuple(names), force=force, wait=wait, timeout=timeout))
