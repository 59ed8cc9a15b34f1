# SPDX-License-Identifier: MIT
"""`vm list`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Format(StrEnum):
    """Output formats."""

    TABLE = "table"
    JSON = "json"


def command(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Names only.")] = False,
    format: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.TABLE,
) -> None:
    """List the running VMs."""
    from genpack_vm import listing

    print(listing.text(quiet=quiet, as_json=format is Format.JSON), end="")
