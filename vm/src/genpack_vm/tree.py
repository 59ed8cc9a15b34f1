# SPDX-License-Identifier: MIT
"""What `ls`, `cat`, `mount` and `drift` look at: an image, perhaps under a VM's writable layer, merged as by overlayfs.

The layer is the guest's: whoever is root in it may put any name, symlink or device there, while it is being read. So it
is walked a folder at a time, and no symlink of it is ever followed by the host.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genpack_vm import paths
from genpack_vm.errors import VmError
from genpack_vm.squashfs import Image, Inode

#: overlayfs's own attributes, in the namespaces that it uses (Documentation/filesystems/overlayfs.rst in Linux).
_PREFIXES = ("trusted.overlay.", "user.overlay.")
#: virtiofsd may keep a guest's trusted and security attributes under this (its -o xattrmap / --xattrmap).
_MAPPED = "user.virtiofs."
_PATH_FD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Node:
    """One file of a tree: in the layer (`upper`, a path in it), in the image (`lower`), or a folder in both."""

    path: str
    upper: str | None
    lower: Inode | None
    status: os.stat_result | None = None

    @property
    def mode(self) -> int:
        """st_mode."""
        return self.status.st_mode if self.status is not None else self._inode.mode

    @property
    def _inode(self) -> Inode:
        assert self.lower is not None
        return self.lower

    @property
    def uid(self) -> int:
        """Owner."""
        return self.status.st_uid if self.status is not None else self._inode.uid

    @property
    def gid(self) -> int:
        """Group."""
        return self.status.st_gid if self.status is not None else self._inode.gid

    @property
    def size(self) -> int:
        """Bytes."""
        return self.status.st_size if self.status is not None else self._inode.size

    @property
    def mtime_ns(self) -> int:
        """Time of modification, in nanoseconds."""
        return self.status.st_mtime_ns if self.status is not None else self._inode.mtime * 1_000_000_000

    @property
    def links(self) -> int:
        """Hard links."""
        return self.status.st_nlink if self.status is not None else self._inode.links

    @property
    def device(self) -> int:
        """st_rdev."""
        return self.status.st_rdev if self.status is not None else self._inode.device

    @property
    def key(self) -> tuple[int, ...]:
        """The same for two names of one file."""
        if self.status is not None:
            return (self.status.st_dev, self.status.st_ino)
        return (self._inode.number,)

    @property
    def is_folder(self) -> bool:
        """True for a folder."""
        return stat.S_ISDIR(self.mode)


class Layer:
    """The writable layer: a folder of the host that the guest fills."""

    def __init__(self, folder: Path) -> None:
        try:
            self._fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as e:
            raise VmError(f"cannot open the writable layer {folder}: {e.strerror}") from e

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)

    @contextlib.contextmanager
    def at(self, path: str) -> Iterator[int]:
        """An O_PATH descriptor of `path`, reached without following a symlink. OSError when it is not there."""
        here = os.dup(self._fd)
        try:
            parts = [part for part in path.split("/") if part]
            for number, part in enumerate(parts):
                flags = _PATH_FD | (os.O_DIRECTORY if number < len(parts) - 1 else 0)
                there = os.open(part, flags, dir_fd=here)
                os.close(here)
                here = there
            yield here
        finally:
            os.close(here)

    def status(self, path: str) -> os.stat_result | None:
        """lstat; None when there is nothing."""
        try:
            with self.at(path) as fd:
                return os.fstat(fd)
        except OSError as e:
            if e.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise

    def names(self, path: str) -> list[str]:
        """Names in a folder."""
        with self.at(path) as fd:
            return os.listdir(f"/proc/self/fd/{fd}")  # noqa: PTH208  names are all that is wanted

    def target(self, path: str) -> str:
        """Where a symlink points."""
        with self.at(path) as fd:
            return os.readlink("", dir_fd=fd)

    def open(self, path: str) -> int:
        """A descriptor to read a regular file."""
        with self.at(path) as fd:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)

    def xattrs(self, path: str) -> dict[str, bytes]:
        """Extended attributes under the names that the guest sees."""
        with self.at(path) as fd:
            place = f"/proc/self/fd/{fd}"
            found = {}
            for name in os.listxattr(place):
                with contextlib.suppress(OSError):  # gone meanwhile
                    found[name.removeprefix(_MAPPED)] = os.getxattr(place, name)
            return found


def _own(attributes: dict[str, bytes], name: str) -> bytes | None:
    return next((attributes[p + name] for p in _PREFIXES if p + name in attributes), None)


def _is_whiteout(status: os.stat_result, attributes: dict[str, bytes]) -> bool:
    if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
        return True
    return stat.S_ISREG(status.st_mode) and status.st_size == 0 and _own(attributes, "whiteout") is not None


class Tree:
    """An image, with `layer` merged over it if there is one. A context manager."""

    def __init__(self, image: Path, layer: Path | None, *, patience: int = 0) -> None:
        self.image = Image(image, patience=patience)
        try:
            self.layer = None if layer is None else Layer(layer)
        except BaseException:
            self.image.__exit__(None, None, None)
            raise

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.layer is not None:
            self.layer.close()
        self.image.__exit__(None, None, None)

    def root(self) -> Node:
        """The root folder."""
        status = None if self.layer is None else self.layer.status("")
        return Node("", None if self.layer is None else "", self.image.root(), status)

    def child(self, folder: Node, name: str) -> Node | None:
        """What a folder has under `name`; None for nothing, or a whiteout."""
        path = f"{folder.path}/{name}".lstrip("/")
        if folder.upper is None or self.layer is None:
            lower = None if folder.lower is None else self.image.child(folder.lower, name)
            return None if lower is None else Node(path, None, lower)
        upper = f"{folder.upper}/{name}".lstrip("/")
        status = self.layer.status(upper)
        if status is None:
            lower = None if folder.lower is None else self.image.child(folder.lower, name)
            return None if lower is None else Node(path, None, lower)
        attributes = self.layer.xattrs(upper)
        if _is_whiteout(status, attributes):
            return None
        return Node(path, upper, self._below(folder, name, status, attributes), status)

    def _below(self, folder: Node, name: str, status: os.stat_result, attributes: dict[str, bytes]) -> Inode | None:
        """The image's folder that an upper folder is merged with; of a metacopy the file that has its data."""
        redirect = _own(attributes, "redirect")
        if stat.S_ISDIR(status.st_mode):
            if _own(attributes, "opaque") == b"y":
                return None
        elif _own(attributes, "metacopy") is None:
            return None
        if redirect is not None and redirect.startswith(b"/"):
            found = self.image.find(os.fsdecode(redirect))
            lower = None if found is None else found[1]
        else:
            wanted = name if redirect is None else os.fsdecode(redirect)
            lower = None if folder.lower is None else self.image.child(folder.lower, wanted)
        same = lower is not None and stat.S_IFMT(lower.mode) == stat.S_IFMT(status.st_mode)
        return lower if same else None

    def children(self, folder: Node) -> list[tuple[str, Node]]:
        """(name, node) of everything in a folder, by name."""
        names = {} if folder.lower is None else dict(self.image.entries(folder.lower))
        upper = set() if folder.upper is None or self.layer is None else set(self.layer.names(folder.upper))
        found = []
        for name in sorted(names.keys() | upper):
            if name in upper:
                node = self.child(folder, name)
            else:
                node = Node(f"{folder.path}/{name}".lstrip("/"), None, self.image.inode(names[name]))
            if node is not None:
                found.append((name, node))
        return found

    def target(self, node: Node) -> str:
        """Where a symlink points."""
        if node.upper is not None and self.layer is not None:
            return self.layer.target(node.upper)
        assert node.lower is not None
        return node.lower.target or ""

    def xattrs(self, node: Node) -> dict[str, bytes]:
        """Extended attributes, without overlayfs's own."""
        if node.upper is not None and self.layer is not None:
            found = self.layer.xattrs(node.upper)
            return {k: v for k, v in found.items() if not k.startswith(_PREFIXES)}
        assert node.lower is not None
        return self.image.xattrs(node.lower)

    def open(self, node: Node) -> Reader:
        """A file, to be read. OSError or ImageError."""
        in_layer = node.upper is not None and self.layer is not None and node.lower is None
        if in_layer:
            assert self.layer is not None and node.upper is not None
            return Reader(self.image, None, self.layer.open(node.upper))
        assert node.lower is not None
        return Reader(self.image, self.image.open(node.lower), -1)

    def find(self, path: str) -> Node:
        """The node at `path`, symlinks followed inside the tree; VmError when there is none."""

        def child(folder: Node, name: str) -> Node | None:
            return self.child(folder, name) if folder.is_folder else None

        def link(node: Node) -> str | None:
            return self.target(node) if stat.S_ISLNK(node.mode) else None

        where = f"/{path.strip('/')}"
        too_many = VmError(f"{self.image.path}: too many symlinks behind {where}")
        way = paths.follow(path, self.root(), child, link, too_many)
        if way is None:
            raise VmError(f"{self.image.path} has no {where}")
        return way[-1][1]


class Reader:
    """An open file of a tree."""

    def __init__(self, image: Image, handle: Any, fd: int) -> None:
        self._image, self._handle, self._fd = image, handle, fd

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes at `offset`."""
        if self._handle is None:
            return os.pread(self._fd, size, offset)
        buffer = ctypes.create_string_buffer(size)
        done = self._image.read_at(self._handle, offset, buffer, size)
        return buffer.raw if done == size else buffer.raw[:done]

    def close(self) -> None:
        """Give a descriptor of the layer back."""
        if self._fd >= 0:
            os.close(self._fd)
