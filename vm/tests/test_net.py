# SPDX-License-Identifier: MIT
"""Port forwardings."""

from __future__ import annotations

import socket
import threading

import pytest
from genpack_vm import net
from genpack_vm.errors import UsageError, VmError


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("8080-80", "tcp:127.0.0.1:8080-:80"),
        ("udp:53-53", "udp:127.0.0.1:53-:53"),
        ("tcp:127.0.0.1:8080-:80", "tcp:127.0.0.1:8080-:80"),
        ("tcp::8080-:80", "tcp::8080-:80"),
        ("0.0.0.0:8080-10.0.2.15:80", "tcp:0.0.0.0:8080-10.0.2.15:80"),
        ("0-22", "tcp:127.0.0.1:0-:22"),
    ],
)
def test_parse(text: str, rule: str) -> None:
    assert net.parse_forward(text).rule == rule


@pytest.mark.parametrize("text", ["", "80", "80:80", "sctp:1-2", "a-b", "70000-80", "80-0", "80-70000", "1.2.3:80-80"])
def test_refuse(text: str) -> None:
    with pytest.raises(UsageError, match="--hostfwd"):
        net.parse_forward(text)


@pytest.mark.parametrize(("kind", "protocol"), [(socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")])
def test_port_in_use(kind: int, protocol: str) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if protocol == "tcp":
            other.listen()
        port = other.getsockname()[1]
        message = rf"cannot forward {protocol} port {port} on 127\.0\.0\.1: Address already in use"
        with pytest.raises(VmError, match=message):
            net.check_free([net.Forward(protocol, "127.0.0.1", port, 80)])
    net.check_free([net.Forward(protocol, "127.0.0.1", port, 80)])


def test_usernet() -> None:
    text = (
        "Hub -1 (n):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n"
        "  TCP[HOST_FORWARD]   3       127.0.0.1 43831       10.0.2.15    22     0     0\r\n"
        "  UDP[HOST_FORWARD]   4               *    53       10.0.2.15    53     0     0\r\n"
        "  TCP[ESTABLISHED]   5       127.0.0.1 43831       10.0.2.15    22     0     0\r\n"
    )
    assert net.parse_usernet(text) == [net.Forward("tcp", "127.0.0.1", 43831, 22), net.Forward("udp", "", 53, 53)]


def serve_once(greeting: bytes) -> int:
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with listening, connection:
            connection.sendall(greeting)

    threading.Thread(target=serve, daemon=True).start()
    return int(listening.getsockname()[1])


def test_ssh_answers() -> None:
    assert net.ssh_answers("127.0.0.1", serve_once(b"SSH-2.0-x\r\n"), 2)
    assert not net.ssh_answers("127.0.0.1", serve_once(b""), 2)
    assert not net.ssh_answers("127.0.0.1", serve_once(b"220 mail"), 2)


def test_ssh_does_not_answer_where_nobody_speaks() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not net.ssh_answers("127.0.0.1", silent.getsockname()[1], 0.2)
