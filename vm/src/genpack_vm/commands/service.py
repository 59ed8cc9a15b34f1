# SPDX-License-Identifier: MIT
"""`vm service`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    folder: Annotated[Path, typer.Argument(metavar="VM_DIR", help="Folder of a VM: vm.ini, system, data, ...")],
    name: Annotated[str | None, typer.Option("--name", "-n", help="Name of the VM [the folder's].")] = None,
    default_net: Annotated[
        str, typer.Option("--default-net", metavar="IF", help="Network of a VM whose vm.ini names none.")
    ] = "user",
) -> None:
    """Run the VM that a folder describes, for systemd (Type=notify); SIGTERM asks it to power down."""
    from genpack_vm import identity, service

    service.serve(folder, None if name is None else identity.check_name(name), default_net)
