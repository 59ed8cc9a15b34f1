# SPDX-License-Identifier: MIT
"""Where things are in a booted image: everything lies below one root, `/` but for tests and `run --root`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

TYPE_CHECKING = False  # true for type checkers; importing typing costs 5 ms of each boot
if TYPE_CHECKING:
    from pathlib import PosixPath

PLUGIN_FOLDER = "usr/lib/genpack-init"
LOG_FILE = "var/log/genpack-init.log"
STATE_FILE = "run/genpack-init.json"
INITRAMFS = "run/initramfs"

# The plugin API has no argument for the root, so this is the one piece of state that it shares.
_root = ["/"]


@contextmanager
def rooted(folder: str | os.PathLike[str]) -> Iterator[None]:
    """While it lasts, every path function starts at `folder` instead of `/`."""
    _root.append(os.path.abspath(folder))
    try:
        yield
    finally:
        _root.pop()


def text_path(below: str) -> str:
    """`below` (a path without leading slash) in the root, as text: saves importing pathlib at boot."""
    return f"{_root[-1].rstrip('/')}/{below}"


def is_real_root() -> bool:
    """False in a test or under `run --root`: what would change the running system is then left out."""
    return _root[-1] == "/"


def _path(base: str, parts: tuple[str | os.PathLike[str], ...]) -> PosixPath:
    from pathlib import PosixPath

    return PosixPath(text_path(base), *(os.fspath(part).lstrip("/") for part in parts))


def root_path(*parts: str | os.PathLike[str]) -> PosixPath:
    """A path below `/`. A leading slash of a part is dropped: the path stays below the root."""
    return _path("", parts)


def boot_path(*parts: str | os.PathLike[str]) -> PosixPath:
    """A path below /run/initramfs/boot, the boot partition; the folder is empty in a direct boot."""
    return _path(f"{INITRAMFS}/boot", parts)


def ro_path(*parts: str | os.PathLike[str]) -> PosixPath:
    """A path below /run/initramfs/ro, the image as it was built."""
    return _path(f"{INITRAMFS}/ro", parts)


def rw_path(*parts: str | os.PathLike[str]) -> PosixPath:
    """A path below /run/initramfs/rw, the data partition, or a tmpfs in transient mode."""
    return _path(f"{INITRAMFS}/rw", parts)


def replace_file(path: str | os.PathLike[str], text: str, mode: int = 0o644) -> bool:
    """Make `path` a file of `text` (UTF-8) and `mode`, with missing folders; never half a file after a power cut.

    True if it was written, False if it was so already. Raises OSError.
    """
    name, data = os.fspath(path), text.encode()
    try:
        with open(name, "rb") as file:
            if file.read() == data and not os.path.islink(name) and os.stat(name).st_mode & 0o7777 == mode:
                return False
    except FileNotFoundError:
        os.makedirs(os.path.dirname(name), exist_ok=True)
    temporary = f"{name}.tmp"
    if os.path.lexists(temporary):
        os.unlink(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        os.fchmod(descriptor, mode)
        file.flush()
        os.fsync(descriptor)
    os.replace(temporary, name)
    return True
