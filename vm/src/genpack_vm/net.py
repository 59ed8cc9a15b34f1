# SPDX-License-Identifier: MIT
"""The user network: forwarded ports, parsed, checked before QEMU starts, and read back from it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from genpack_vm.errors import UsageError, VmError

LOOPBACK = "127.0.0.1"
SSH_PORT = 22
_FORWARD = re.compile(
    r"(?:(?P<protocol>tcp|udp):)?(?:(?P<host>[0-9.]*):)?(?P<port>\d+)-(?:(?P<guest>[0-9.]*):)?(?P<guest_port>\d+)"
)
# A line of the monitor's `info usernet`: TCP[HOST_FORWARD]  14  127.0.0.1 43831  10.0.2.15  22  0 0
_USERNET = re.compile(
    r"(?P<protocol>TCP|UDP)\[HOST_FORWARD\]\s+\d+\s+(?P<host>\S+)\s+(?P<port>\d+)\s+\S+\s+(?P<guest>\d+)"
)


@dataclass(frozen=True)
class Forward:
    """A port of the host that leads to one of the guest. `host_port` 0: QEMU picks a free one."""

    protocol: str
    host: str
    host_port: int
    guest_port: int
    guest: str = ""

    @property
    def rule(self) -> str:
        """QEMU's hostfwd= value."""
        return f"{self.protocol}:{self.host}:{self.host_port}-{self.guest}:{self.guest_port}"


SSH_FORWARD = Forward("tcp", LOOPBACK, 0, SSH_PORT)


def parse_forward(text: str) -> Forward:
    """[tcp|udp:][ADDRESS:]PORT-[GUEST_ADDRESS:]PORT; an address left out is 127.0.0.1, an empty one (`:`) is any."""
    match = _FORWARD.fullmatch(text)
    tip = "write [tcp|udp:][ADDRESS:]PORT-[GUEST_ADDRESS:]PORT, such as 8080-80 or tcp:127.0.0.1:8080-:80"
    if match is None:
        raise UsageError(f"--hostfwd {text!r} is not a port forwarding", tip=tip)
    host = LOOPBACK if match["host"] is None else match["host"]
    for address in (host, match["guest"] or ""):
        try:
            if address:
                socket.inet_pton(socket.AF_INET, address)
        except OSError:
            raise UsageError(f"--hostfwd {text!r}: {address!r} is not an IPv4 address", tip=tip) from None
    ports = int(match["port"]), int(match["guest_port"])
    if not 0 <= ports[0] <= 65535 or not 1 <= ports[1] <= 65535:
        raise UsageError(f"--hostfwd {text!r}: a port is 1 to 65535 (0 on the host: a free one)", tip=tip)
    return Forward(match["protocol"] or "tcp", host, *ports, match["guest"] or "")


def check_free(forwards: Iterable[Forward]) -> None:
    """VmError for the first forwarding whose port of the host is in use, or may not be used."""
    for forward in forwards:
        if forward.host_port == 0:
            continue
        kind = socket.SOCK_STREAM if forward.protocol == "tcp" else socket.SOCK_DGRAM
        where = f"{forward.protocol} port {forward.host_port} on {forward.host or 'any address'}"
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((forward.host, forward.host_port))
                if forward.protocol == "tcp":
                    probe.listen(1)  # with SO_REUSEADDR only this tells that another one listens
            except OSError as e:
                raise VmError(
                    f"cannot forward {where}: {e.strerror}", tip="choose another port, or 0 to get a free one"
                ) from e


def parse_usernet(text: str) -> list[Forward]:
    """The forwardings that QEMU really made, from its `info usernet`."""
    found = []
    for match in _USERNET.finditer(text):
        host = "" if match["host"] in ("*", "0.0.0.0") else match["host"]
        found.append(Forward(match["protocol"].lower(), host, int(match["port"]), int(match["guest"])))
    return found


def ssh_answers(host: str, port: int, timeout: float) -> bool:
    """True when an SSH server greets there within `timeout` seconds.

    QEMU accepts the connection before the guest does, so only the server's first line tells.
    """
    try:
        with socket.create_connection((host, port), timeout) as connection:
            connection.settimeout(timeout)
            return connection.recv(4).startswith(b"SSH-")
    except OSError:
        return False
