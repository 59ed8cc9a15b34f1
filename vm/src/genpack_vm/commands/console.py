# SPDX-License-Identifier: MIT
"""`vm console`."""

from __future__ import annotations

from typing import Annotated

from genpack_vm.commands.names import VM_NAME


def command(name: Annotated[str, VM_NAME]) -> None:
    """Connect this terminal to a VM's console.

    Ctrl-] leaves, and the VM runs on. Several may be there at once: all see what the guest prints, and each may type.
    """
    from genpack_vm import attach

    attach.console(name)
