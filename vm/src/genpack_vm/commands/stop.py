# SPDX-License-Identifier: MIT
"""`vm stop` and `vm stopall`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from genpack_vm.commands.names import VM_NAMES

DEFAULT_TIMEOUT = 150.0
_FORCE: Any = typer.Option("--force", "-f", help="End QEMU at once.")
_WAIT: Any = typer.Option("--wait", "-w", help="Return when the VMs have ended.")
_TIMEOUT: Any = typer.Option(metavar="S", help="Wait at most S seconds [150]; implies -w; status 124.")


def command(
    names: Annotated[list[str], VM_NAMES],
    console: Annotated[
        bool, typer.Option("--console", "-c", help="Show the console of the one VM until its end; implies -w.")
    ] = False,
    force: Annotated[bool, _FORCE] = False,
    wait: Annotated[bool, _WAIT] = False,
    wait_timeout: Annotated[float | None, _TIMEOUT] = None,
) -> None:
    """Ask VMs to power down, as their power button would."""
    from genpack_vm import stopping

    timeout = DEFAULT_TIMEOUT if wait_timeout is None else wait_timeout
    wait = wait or console or wait_timeout is not None
    stopping.stop(stopping.StopOptions(tuple(names), force=force, wait=wait, timeout=timeout, console=console))


def command_all(
    force: Annotated[bool, _FORCE] = False,
    wait: Annotated[bool, _WAIT] = False,
    wait_timeout: Annotated[float | None, _TIMEOUT] = None,
) -> None:
    """Stop every running VM of this user.

    That there is none is no error.
    """
    from genpack_vm import stopping

    timeout = DEFAULT_TIMEOUT if wait_timeout is None else wait_timeout
    stopping.stop_all(force=force, wait=wait or wait_timeout is not None, timeout=timeout)
