# SPDX-License-Identifier: MIT
"""`vm allocate`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class FileSystem(StrEnum):
    """File systems for a new data disk."""

    BTRFS = "btrfs"


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The disk file.")],
    gib: Annotated[float, typer.Argument(metavar="GIB", help="Its size in GiB.")],
    mkfs: Annotated[FileSystem | None, typer.Option(help="Make a file system on a new disk.")] = None,
) -> None:
    """Make a data disk file, or let one grow.

    Its blocks are preallocated and, on Btrfs, not copied on write.
    """
    from genpack_vm import allocate

    allocate.allocate(file, gib, None if mkfs is None else mkfs.value)
