# SPDX-License-Identifier: MIT
"""QEMU's control protocol, through qemu.qmp. Every wait has an end, every failure is a QmpError."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from genpack_vm.errors import QmpError

if TYPE_CHECKING:
    from qemu.qmp import QMPClient

TIMEOUT = 10.0  # seconds that QEMU may take to answer


def _client(name: str) -> QMPClient:
    from qemu.qmp import QMPClient

    # The library logs what it also raises; without a handler Python would print that on stderr.
    logger = logging.getLogger("qemu.qmp")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return QMPClient(name)


async def _close(client: QMPClient) -> None:
    # disconnect() raises what ended the session; at this point the answer is known, or the error is on its way.
    with contextlib.suppress(Exception):
        async with asyncio.timeout(2):
            await client.disconnect()


async def attach(name: str, connection: socket.socket) -> QMPClient:
    """A session on a connected socket. QmpError when QEMU ends first; the caller limits the time."""
    from qemu.qmp import QMPError

    client = _client(name)
    try:
        await client.connect(connection)
    except (QMPError, OSError, EOFError) as e:
        await _close(client)
        raise QmpError(f"QEMU of {name} does not answer: {e}") from e
    return client


async def detach(client: QMPClient) -> None:
    """End a session of `attach`."""
    await _close(client)


async def execute(client: QMPClient, name: str, command: str, arguments: dict[str, object] | None = None) -> object:
    """Run one command on an open session within TIMEOUT."""
    from qemu.qmp import ExecuteError, QMPError

    try:
        async with asyncio.timeout(TIMEOUT):
            return await client.execute(command, arguments)
    except ExecuteError as e:
        raise QmpError(f"QEMU of {name} refused {command}: {e}") from e
    except TimeoutError as e:
        raise QmpError(f"QEMU of {name} did not answer {command} in {TIMEOUT:g} s") from e
    except (QMPError, OSError, EOFError) as e:
        raise QmpError(f"the connection to QEMU of {name} ended during {command}") from e


@contextlib.asynccontextmanager
async def _session(name: str, path: Path, timeout: float) -> AsyncIterator[QMPClient]:
    from qemu.qmp import QMPError

    client = _client(name)
    hang = f"QEMU of {name} does not answer: nothing came from {path} in {timeout:g} s"
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            async with asyncio.timeout(timeout):
                # Through the folder's descriptor: the path itself may be longer than a socket address.
                await client.connect(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
    except TimeoutError as e:
        await _close(client)
        raise QmpError(hang, tip=f"it may hang, or another program holds its socket; end it: vm stop -f {name}") from e
    except (QMPError, OSError, EOFError) as e:
        await _close(client)
        cause = getattr(e, "exc", e)
        why = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause) or "it hung up"
        raise QmpError(f"cannot talk to QEMU of {name} through {path}: {why}") from e
    try:
        yield client
    finally:
        await _close(client)


def command(
    name: str, path: Path, what: str, timeout: float = TIMEOUT, arguments: dict[str, object] | None = None
) -> object:
    """Connect, run one command, disconnect. QEMU ending before the answer counts as the answer to `quit`."""

    async def talk() -> object:
        async with _session(name, path, timeout) as client:
            try:
                return await execute(client, name, what, arguments)
            except QmpError:
                if what == "quit" and path_is_gone(path):
                    return None
                raise

    return asyncio.run(talk())


def statuses(sockets: Mapping[str, Path], timeout: float) -> dict[str, str | QmpError]:
    """The run state (running, paused, shutdown ...) of each QEMU, all asked at once; an error for a silent one."""

    async def ask(name: str, path: Path) -> str | QmpError:
        try:
            async with asyncio.timeout(timeout), _session(name, path, timeout) as client:
                answer = await execute(client, name, "query-status")
        except TimeoutError:
            return QmpError(f"QEMU has not answered in {timeout:g} s")
        except QmpError as e:
            return e
        return str(answer["status"]) if isinstance(answer, dict) and "status" in answer else QmpError(f"{answer!r}")

    async def ask_all() -> dict[str, str | QmpError]:
        return dict(zip(sockets, await asyncio.gather(*(ask(*item) for item in sockets.items())), strict=True))

    return asyncio.run(ask_all())


def path_is_gone(path: Path) -> bool:
    """True when nobody listens on the Unix socket any more."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return True
    return False
