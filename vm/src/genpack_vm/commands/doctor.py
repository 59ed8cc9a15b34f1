# SPDX-License-Identifier: MIT
"""`vm doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from genpack_vm.commands.list import Format


def command(
    format: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.TABLE,
) -> None:
    """Show what this machine has, and lacks, for VMs.

    Of each missing piece it says what does not work.
    """
    from genpack_vm import doctor

    print(doctor.doctor(as_json=format is Format.JSON), end="")
