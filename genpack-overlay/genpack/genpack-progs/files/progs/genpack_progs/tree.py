# SPDX-License-Identifier: MIT
"""A tree of files: resolving paths in it, and what every image has that no package owns."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from .errors import ProgsError

# Folders and their modes; None: whatever mode the folder has (0755 if it has to be made).
FOLDERS: tuple[tuple[str, int | None], ...] = (
    ("/boot", None), ("/dev", None), ("/etc", None), ("/home", None), ("/media", None), ("/mnt", None), ("/opt", None),
    ("/proc", None), ("/root", 0o700), ("/run", None), ("/srv", None), ("/sys", None), ("/tmp", 0o1777),
    ("/usr", None), ("/var", None), ("/var/cache", None), ("/var/empty", None), ("/var/lib", None), ("/var/log", None),
    ("/var/spool", None), ("/var/tmp", 0o1777),
)
LINKS = (("/var/run", "../run"), ("/var/lock", "../run/lock"))
# A link that merges a folder into /usr: taken over where the lower layer has it.
MERGED = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr/sbin", "/usr/lib32", "/usr/lib64")
# For the moments before devtmpfs is mounted.
NODES = (
    ("/dev/console", 0o600, 5, 1), ("/dev/kmsg", 0o600, 1, 11), ("/dev/null", 0o666, 1, 3), ("/dev/zero", 0o666, 1, 5),
    ("/dev/full", 0o666, 1, 7), ("/dev/random", 0o666, 1, 8), ("/dev/urandom", 0o666, 1, 9), ("/dev/tty", 0o666, 5, 0),
)
MAX_LINKS = 40  # as the kernel


class Tree:
    """Paths below a root folder, resolved as a process with that root would see them."""

    def __init__(self, root: Path) -> None:
        self.root = os.fspath(root).rstrip("/")
        self._folders: dict[str, tuple[str, tuple[str, ...]]] = {"/": ("/", ())}

    def real(self, path: str) -> str:
        """The path outside of the tree of a path in it."""
        return self.root + path

    def resolve_parent(self, path: str) -> tuple[str, tuple[str, ...]]:
        """Resolve the links in a path's parents, not the path itself: (path, links that were followed)."""
        parent, name = os.path.split(path)
        folder, links = self._folder(parent, 0)
        return os.path.join(folder, name), links

    def _folder(self, path: str, depth: int) -> tuple[str, tuple[str, ...]]:
        if path in self._folders:
            return self._folders[path]
        if depth > MAX_LINKS:
            raise ProgsError(f"{path} is a circle of symbolic links")
        parent, name = os.path.split(path)
        folder, links = self._folder(parent, depth)
        here = os.path.join(folder, name)
        if os.path.islink(self.real(here)):
            target = os.path.normpath(os.path.join(folder, os.readlink(self.real(here))))
            links = (*links, here)
            here, more = self._folder("/" + target.lstrip("/"), depth + 1)
            links += more
        self._folders[path] = (here, links)
        return here, links


def make_fundamentals(tree: Tree) -> list[str]:
    """Make the folders, links and device nodes that every image has, where they are missing; return their paths."""
    for folder, mode in FOLDERS:
        _folder(tree.real(folder), mode)
    for link, target in LINKS:
        if not os.path.lexists(tree.real(link)):
            os.symlink(target, tree.real(link))
    for node, mode, major, minor in NODES:
        _node(tree.real(node), mode, os.makedev(major, minor))
    merged = [path for path in MERGED if os.path.islink(tree.real(path))]
    return [*(f for f, _ in FOLDERS), *(link for link, _ in LINKS), *(n[0] for n in NODES), *merged]


def _folder(path: str, mode: int | None) -> None:
    try:
        os.makedirs(path, mode=0o755, exist_ok=True)
        if mode is not None and stat.S_IMODE(os.lstat(path).st_mode) != mode:
            os.chmod(path, mode)
    except OSError as e:
        raise ProgsError(f"cannot make the folder {path}: {e.strerror}") from e


def _node(path: str, mode: int, device: int) -> None:
    try:
        if not os.path.lexists(path):
            os.mknod(path, mode | stat.S_IFCHR, device)
        if stat.S_IMODE(os.lstat(path).st_mode) != mode:  # mknod obeys the umask, and a stage3 has its own ideas
            os.chmod(path, mode)
    except OSError as e:
        raise ProgsError(f"cannot make the device node {path}: {e.strerror}", tip="this needs CAP_MKNOD") from e
