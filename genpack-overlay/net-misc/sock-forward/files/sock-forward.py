#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Offer a service of the host, given to this machine with `vm run --sock-forward`, on a local TCP port."""

import argparse
import fcntl
import os
import socket
import struct
import sys

DEVICE = "/dev/vsock"
HOST_CID = 2  # VMADDR_CID_HOST of vsock(7)


def fail(text: str):
    """End with one line."""
    sys.exit(f"sock-forward: error: {text}")


def local_cid() -> int:
    """This machine's vsock address, as the kernel's device tells it."""
    try:
        device = os.open(DEVICE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as e:
        fail(f"{DEVICE}: {e.strerror}; this machine has no vsock device")
    try:
        answer = fcntl.ioctl(device, socket.IOCTL_VM_SOCKETS_GET_LOCAL_CID, bytes(4))
    finally:
        os.close(device)
    cid: int = struct.unpack("I", answer)[0]
    return cid


def number(text: str, low: int, high: int, what: str) -> int:
    """The number in `text`, or the end."""
    if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
        fail(f"{text!r} is no {what}: a number from {low} to {high} is wanted")
    return int(text)


def arguments(text: str, address: str, cid: int) -> list[str]:
    """socat's arguments for PORT[:INDEX]. The host listens on the machine's CID plus the index."""
    port, colon, index = text.partition(":")
    target = cid + (number(index, 0, 999, "index") if colon else 0)
    listen = f"TCP-LISTEN:{number(port, 1, 65535, 'port')},bind={address},fork,reuseaddr"
    return ["socat", listen, f"VSOCK-CONNECT:{HOST_CID}:{target}"]


def main() -> None:
    """Replaces itself with socat."""
    parser = argparse.ArgumentParser(
        prog="sock-forward",
        description="Offer a service of the host on a local TCP port. The host gives it with vm run --sock-forward "
        "SOCKET; the first of these options has index 0.",
        epilog="As a service: systemctl enable --now sock-forward@8080.service, or sock-forward@8080:1.service.",
    )
    parser.add_argument("port", metavar="PORT[:INDEX]", help="where to listen; which service of the host")
    parser.add_argument("--bind", default="127.0.0.1", metavar="ADDRESS", help="local address (default: %(default)s)")
    options = parser.parse_args()
    argv = arguments(options.port, options.bind, local_cid())
    try:
        os.execvp(argv[0], argv)
    except OSError as e:
        fail(f"socat can't be started: {e.strerror}")


if __name__ == "__main__":
    main()
