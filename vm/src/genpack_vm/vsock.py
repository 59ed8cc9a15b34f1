# SPDX-License-Identifier: MIT
"""SSH over vsock: a look whether the guest answers there, and ssh's proxy command (`python -m genpack_vm.vsock CID`).

The proxy connects, hands the connected socket to ssh over its stdout, and ends (ProxyUseFdpass of ssh_config(5)).
"""

from __future__ import annotations

import contextlib
import shlex
import socket
import sys
from collections.abc import Sequence

SSH_PORT = 22
_CONNECT = 2.0  # seconds; a guest without a driver never answers


def connect(cid: int, port: int = SSH_PORT, timeout: float = _CONNECT) -> socket.socket:
    """A connection to the guest; OSError if it has no listener there."""
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(socket.socket(socket.AF_VSOCK))
        connection.settimeout(timeout)
        connection.connect((cid, port))
        connection.settimeout(None)
        stack.pop_all()
    return connection


def ssh_answers(cid: int, timeout: float = _CONNECT) -> bool:
    """True when an SSH server greets there."""
    try:
        with connect(cid, timeout=timeout) as connection:
            connection.settimeout(timeout)
            return connection.recv(4).startswith(b"SSH-")
    except OSError:
        return False


def proxy_command(cid: int) -> str:
    """For ssh's option ProxyCommand; the percent sign is special there."""
    return shlex.join([sys.executable, "-m", "genpack_vm.vsock", str(cid)]).replace("%", "%%")


def main(argv: Sequence[str]) -> int:
    """Connect to CID and pass the socket on; the exit status."""
    try:
        with connect(int(argv[0]), timeout=30) as connection, socket.socket(fileno=1) as ssh:
            socket.send_fds(ssh, [b"\0"], [connection.fileno()])
    except OSError as e:
        sys.stderr.write(f"vm: error: no connection over vsock to CID {argv[0]}: {e.strerror or e}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
