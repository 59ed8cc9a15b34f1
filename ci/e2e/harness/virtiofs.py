# SPDX-License-Identifier: MIT
"""A folder of the host as a virtiofs device of a guest, by QEMU's own virtiofsd."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.toy import wait_until

DAEMON = "/usr/lib/qemu/virtiofsd"  # part of qemu-system-common
#: The guest's extended attributes, trusted ones of overlayfs among them, are user attributes of the host.
ATTRIBUTES = ("-o", "xattr", "-o", "xattrmap=:map::user.virtiofs.:")


@contextmanager
def virtiofs(folder: Path, socket: Path, *, tag: str = "fs", mib: int = 512) -> Iterator[tuple[str, ...]]:
    """QEMU's options for a guest with `mib` MiB of memory, which the daemon shares with it."""
    argv = [DAEMON, f"--socket-path={socket}", "-o", f"source={folder}", "-o", "cache=auto", *ATTRIBUTES]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True) as daemon:  # fmt: skip
        try:
            wait_until(lambda: socket.exists() or daemon.poll() is not None, "the socket of virtiofsd", 60)
            assert daemon.poll() is None and daemon.stderr, daemon.stderr and daemon.stderr.read()
            yield (
                "-object", f"memory-backend-memfd,id=mem,size={mib}M,share=on", "-machine", "memory-backend=mem",
                "-chardev", f"socket,id=vfs,path={socket}", "-device", f"vhost-user-fs-pci,chardev=vfs,tag={tag}",
            )  # fmt: skip
        finally:
            daemon.kill()  # at QEMU's end it ends by itself
