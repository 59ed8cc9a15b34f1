# SPDX-License-Identifier: MIT
"""`--sock-forward`: vsock ports of the host that lead to Unix sockets, for one VM, as long as it lives."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from genpack_vm import log
from genpack_vm.errors import UsageError, VmError

_PIECE = 65536


def check(paths: Sequence[Path], *, vsock: bool) -> tuple[Path, ...]:
    """Absolute paths of sockets that are there; an error for what can't be forwarded to."""
    for path in paths:
        try:
            mode = path.stat().st_mode
        except OSError as e:
            raise UsageError(f"--sock-forward: cannot look at {path}: {e.strerror}") from e
        if not stat.S_ISSOCK(mode):
            raise UsageError(f"--sock-forward: {path} is no socket")
    if paths and not vsock:
        raise VmError("--sock-forward needs vsock, and /dev/vhost-vsock is not usable", tip="modprobe vhost_vsock")
    return tuple(path.absolute() for path in paths)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction, until its end, which is passed on."""
    with contextlib.suppress(OSError):
        while data := await reader.read(_PIECE):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def serve(listener: socket.socket, target: Path, is_ours: Callable[[Any], bool]) -> asyncio.Server:
    """A connection to `target` for each one that comes from an address that is ours."""

    async def bridge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            if not is_ours(writer.get_extra_info("peername")):
                return
            try:
                inner_reader, inner_writer = await asyncio.open_unix_connection(os.fspath(target))
            except OSError as e:
                log.warning(f"--sock-forward: cannot connect to {target}: {e.strerror or e}")
                return
            with contextlib.closing(inner_writer):
                await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))

    return await asyncio.start_server(bridge, sock=listener)


async def start(cid: int | None, targets: Sequence[Path]) -> list[asyncio.Server]:
    """Listen on port CID + i for the i-th socket, from 0; only the VM with that CID may connect."""
    servers: list[asyncio.Server] = []
    for number, target in enumerate(targets if cid is not None else ()):
        assert cid is not None
        port = (cid + number) & 0xFFFFFFFF
        listener = socket.socket(socket.AF_VSOCK)
        try:
            listener.bind((socket.VMADDR_CID_ANY, port))
            listener.listen()
        except OSError as e:
            listener.close()
            for server in servers:
                server.close()
            raise VmError(f"--sock-forward {target}: cannot listen on vsock port {port}: {e.strerror}") from e
        servers.append(await serve(listener, target, lambda peer: peer[0] == cid))
    return servers
