# SPDX-License-Identifier: MIT
"""`vm mount` and `vm umount`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def mount(
    what: Annotated[str, typer.Argument(metavar="IMAGE|NAME", help="An image, a VM's folder, or a VM.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to mount it.")],
    foreground: Annotated[
        bool, typer.Option("--foreground", "-f", help="Stay until it is unmounted; SIGTERM unmounts.")
    ] = False,
) -> None:
    """Mount an image, or the merged root of a VM, read-only on a folder (FUSE)."""
    from genpack_vm import mounting

    mounting.mount(what, folder, foreground=foreground)


def umount(folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where it is mounted.")]) -> None:
    """Take a mount away."""
    from genpack_vm import mounting

    mounting.umount(folder)
