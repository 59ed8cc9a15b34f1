# SPDX-License-Identifier: MIT
"""Tell systemd how far a service is: sd_notify(3)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


def notify(environment: Mapping[str, str], *lines: str) -> None:
    """Send lines such as READY=1 to $NOTIFY_SOCKET; nothing without one. A manager that is gone is no error."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out, suppress(OSError):
        out.sendto(os.fsencode("\n".join(lines)), address)
