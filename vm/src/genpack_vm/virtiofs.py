# SPDX-License-Identifier: MIT
"""virtiofsd: shares a folder of the host with one VM. There are two: QEMU's own in C until 7.2, and the one in Rust."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from genpack_vm import process
from genpack_vm.doctor import helper
from genpack_vm.errors import VmError

_PURPOSE = "share a folder with a VM"
_END_TIMEOUT = 5.0  # seconds that it may take to end after QEMU


@dataclass(frozen=True)
class Shared:
    """A folder, and how it is shared (vm.ini, section virtiofs)."""

    folder: Path
    cache: str = "auto"
    inode_file_handles: str = "prefer"
    open_files: int | None = None


def command(program: Path, shared: Shared, fd: int, *, in_rust: bool) -> list[str]:
    """Its argv; `fd` is the socket on which it waits for QEMU. The guest's overlayfs keeps its marks in trusted.*."""
    limit = [] if shared.open_files is None else [f"--rlimit-nofile={shared.open_files}"]
    if in_rust:
        handles = f"--inode-file-handles={shared.inode_file_handles}"
        rest = ["--xattr", "--modcaps=+sys_admin", f"--cache={shared.cache}", handles, "--announce-submounts"]
        return [str(program), f"--fd={fd}", f"--shared-dir={shared.folder}", *rest, *limit]
    options = f"source={shared.folder},cache={shared.cache},xattr,modcaps=+sys_admin,announce_submounts"
    return [str(program), f"--fd={fd}", "-o", options, *limit]


def is_rust(version: str) -> bool:
    """By what `virtiofsd --version` says: the one in C has QEMU's version."""
    return "version" not in version


@contextlib.contextmanager
def serving(shared: Shared | None, place: Path, log: Path) -> Iterator[None]:
    """virtiofsd waits on the socket `place` in this context, and has ended after it."""
    if shared is None:
        yield
        return
    program = helper("virtiofsd")
    if program is None:
        raise process.missing("virtiofsd", _PURPOSE)
    if "," in str(shared.folder):
        raise VmError(f"{shared.folder}: virtiofsd takes no comma in a path")
    said = process.capture([str(program), "--version"], purpose=_PURPOSE, timeout=10)
    # The socket is ours, so that nobody has to wait until it is there.
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place))
        place.chmod(0o600)
        listening.listen(1)
        argv = command(program, shared, listening.fileno(), in_rust=is_rust(said.stdout + said.stderr))
        child = process.owned(argv, purpose=_PURPOSE, log=log, pass_fds=(listening.fileno(),))
    try:
        yield
    except VmError as e:
        text = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if child.poll() is not None and child.returncode != 0 and text:
            raise VmError(f"{e}; virtiofsd: {text[-1]}", tip=e.tip, status=e.status) from e
        raise
    finally:
        process.end(child, _END_TIMEOUT)
