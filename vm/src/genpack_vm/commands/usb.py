# SPDX-License-Identifier: MIT
"""`vm usb`."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    query: Annotated[
        str | None, typer.Option("--query", "-q", metavar="XPATH", help="Only the devices that XPATH selects.")
    ] = None,
) -> None:
    """Print this machine's USB devices as XML."""
    from genpack_vm import usb

    print(usb.text(query), end="")
