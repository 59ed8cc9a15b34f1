# SPDX-License-Identifier: MIT
"""`vm expand`."""

from __future__ import annotations

from typing import Annotated

from genpack_vm.commands.names import VM_NAME


def command(name: Annotated[str, VM_NAME]) -> None:
    """Tell a running VM that its raw disk files have grown."""
    from genpack_vm import expand

    expand.expand(name)
