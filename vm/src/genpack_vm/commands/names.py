# SPDX-License-Identifier: MIT
"""The argument that names a running VM, with completion by a shell."""

from __future__ import annotations

from typing import Any

import typer


def running(incomplete: str) -> list[str]:
    """Names of running VMs that begin so; none when the run directory can't be used."""
    from genpack_vm import rundir
    from genpack_vm.errors import VmError

    try:
        return [name for name in rundir.living(rundir.root_of_user()) if name.startswith(incomplete)]
    except (VmError, OSError):
        return []


def _target(incomplete: str) -> list[str]:
    user, at, name = incomplete.rpartition("@")
    return [f"{user}{at}{found}" for found in running(name)]


def _place(incomplete: str) -> list[str]:
    return [f"{found}:" for found in _target(incomplete)]


VM_NAME: Any = typer.Argument(metavar="NAME", help="A running VM.", autocompletion=running)
VM_NAMES: Any = typer.Argument(metavar="NAME...", help="Running VMs.", autocompletion=running)
TARGET: Any = typer.Argument(
    metavar="[USER@]NAME", help="The VM; the user is root if not given.", autocompletion=_target
)
PLACE: Any = typer.Argument(
    metavar="SRC... DST", help="Files; those in the VM as [USER@]NAME:PATH.", autocompletion=_place
)
