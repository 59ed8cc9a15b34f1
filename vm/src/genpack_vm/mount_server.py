# SPDX-License-Identifier: MIT
"""The FUSE file system behind `vm mount`: a tree, read-only. Runs in a process of its own, which an image may crash."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyfuse3
import trio

from genpack_vm.errors import ImageError, VmError
from genpack_vm.tree import Node, Reader, Tree

FS_TYPE = "vm"  # /proc/self/mountinfo says fuse.vm
_CACHED = 300.0  # seconds that the kernel may keep what it knows of an image, which never changes
_BLOCK = 512  # bytes in st_blocks


@dataclass
class _Known:
    """A node that the kernel knows, and how often it was told of it."""

    node: Node
    told: int


class View(pyfuse3.Operations):
    """A tree as pyfuse3 wants it. What is read of the layer may change; of an image nothing does."""

    def __init__(self, tree: Tree) -> None:
        super().__init__()
        self._tree = tree
        self._timeout = _CACHED if tree.layer is None else 0.0
        self._known = {int(pyfuse3.ROOT_INODE): _Known(tree.root(), 1)}
        self._numbers = {tree.root().key: int(pyfuse3.ROOT_INODE)}
        self._next = int(pyfuse3.ROOT_INODE) + 1
        self._files: dict[int, Reader] = {}
        self._folders: dict[int, list[tuple[str, Node]]] = {}
        self._handle = 0

    def _node(self, number: int) -> Node:
        return self._known[number].node

    def _number(self, node: Node) -> int:
        """The inode's number, the same for all names of a file; it is kept until the kernel forgets it."""
        number = self._numbers.get(node.key)
        if number is None:
            number, self._next = self._next, self._next + 1
            self._numbers[node.key] = number
        return number

    def _tell(self, node: Node) -> None:
        number = self._number(node)
        known = self._known.get(number)
        if known is None:
            self._known[number] = _Known(node, 1)
        else:
            known.node, known.told = node, known.told + 1

    def _attributes(self, node: Node) -> pyfuse3.EntryAttributes:
        found = pyfuse3.EntryAttributes()
        found.st_ino = pyfuse3.InodeT(self._number(node))
        found.st_mode = pyfuse3.ModeT(node.mode)
        found.st_nlink, found.st_uid, found.st_gid, found.st_rdev = node.links, node.uid, node.gid, node.device
        found.st_size = node.size
        found.st_blocks = -(-node.size // _BLOCK)
        found.st_blksize = self._tree.image.superblock.block_size
        found.st_atime_ns = found.st_ctime_ns = found.st_mtime_ns = node.mtime_ns
        found.entry_timeout = found.attr_timeout = self._timeout
        return found

    def _refuse(self, error: Exception) -> pyfuse3.FUSEError:
        number = error.errno if isinstance(error, OSError) and error.errno else errno.EIO
        return pyfuse3.FUSEError(number)

    def _new_handle(self) -> pyfuse3.FileHandleT:
        self._handle += 1
        return pyfuse3.FileHandleT(self._handle)

    async def lookup(
        self, parent_inode: pyfuse3.InodeT, name: pyfuse3.FileNameT, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        try:
            node = self._tree.child(self._node(parent_inode), os.fsdecode(name))
        except (OSError, ImageError) as e:
            raise self._refuse(e) from e
        if node is None:
            raise pyfuse3.FUSEError(errno.ENOENT)
        self._tell(node)
        return self._attributes(node)

    async def forget(self, inode_list: list[tuple[pyfuse3.InodeT, int]]) -> None:  # type: ignore[override]  # a list it is
        for number, times in inode_list:
            known = self._known[number]
            known.told -= times
            if known.told <= 0 and number != pyfuse3.ROOT_INODE:
                del self._known[number]
                self._numbers.pop(known.node.key, None)

    async def getattr(self, inode: pyfuse3.InodeT, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        node = self._node(inode)
        if node.upper is not None and self._tree.layer is not None:
            status = self._tree.layer.status(node.upper)
            if status is None:
                raise pyfuse3.FUSEError(errno.ESTALE)
            node = Node(node.path, node.upper, node.lower, status)
        found = self._attributes(node)
        found.st_ino = inode
        return found

    async def readlink(self, inode: pyfuse3.InodeT, ctx: pyfuse3.RequestContext) -> pyfuse3.FileNameT:
        try:
            return pyfuse3.FileNameT(os.fsencode(self._tree.target(self._node(inode))))
        except (OSError, ImageError) as e:
            raise self._refuse(e) from e

    async def listxattr(self, inode: pyfuse3.InodeT, ctx: pyfuse3.RequestContext) -> list[pyfuse3.XAttrNameT]:
        try:
            return [pyfuse3.XAttrNameT(os.fsencode(name)) for name in self._tree.xattrs(self._node(inode))]
        except (OSError, ImageError) as e:
            raise self._refuse(e) from e

    async def getxattr(self, inode: pyfuse3.InodeT, name: pyfuse3.XAttrNameT, ctx: pyfuse3.RequestContext) -> bytes:
        try:
            return self._tree.xattrs(self._node(inode))[os.fsdecode(name)]
        except KeyError:
            raise pyfuse3.FUSEError(pyfuse3.ENOATTR) from None
        except (OSError, ImageError) as e:
            raise self._refuse(e) from e

    async def opendir(self, inode: pyfuse3.InodeT, ctx: pyfuse3.RequestContext) -> pyfuse3.FileHandleT:
        try:
            found = self._tree.children(self._node(inode))
        except (OSError, ImageError) as e:
            raise self._refuse(e) from e
        handle = self._new_handle()
        self._folders[handle] = found
        return handle

    async def readdir(self, fh: pyfuse3.FileHandleT, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        found = self._folders[fh]
        for number in range(start_id, len(found)):
            name, node = found[number]
            encoded = pyfuse3.FileNameT(os.fsencode(name))
            if not pyfuse3.readdir_reply(token, encoded, self._attributes(node), number + 1):
                return
            self._tell(node)

    async def releasedir(self, fh: pyfuse3.FileHandleT) -> None:
        del self._folders[fh]

    async def open(self, inode: pyfuse3.InodeT, flags: pyfuse3.FlagT, ctx: pyfuse3.RequestContext) -> pyfuse3.FileInfo:
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise pyfuse3.FUSEError(errno.EROFS)
        try:
            reader = self._tree.open(self._node(inode))
        except (OSError, ImageError) as e:
            raise self._refuse(e) from e
        handle = self._new_handle()
        self._files[handle] = reader
        return pyfuse3.FileInfo(fh=handle, keep_cache=self._tree.layer is None)

    async def read(self, fh: pyfuse3.FileHandleT, off: int, size: int) -> bytes:
        try:
            return self._files[fh].read(off, size)
        except (OSError, ImageError) as e:
            raise self._refuse(e) from e

    async def release(self, fh: pyfuse3.FileHandleT) -> None:
        self._files.pop(fh).close()

    async def access(self, inode: pyfuse3.InodeT, mode: pyfuse3.ModeT, ctx: pyfuse3.RequestContext) -> bool:
        return True  # the kernel decides by the mode: default_permissions

    async def statfs(self, ctx: pyfuse3.RequestContext) -> pyfuse3.StatvfsData:
        found, block = pyfuse3.StatvfsData(), self._tree.image.superblock
        found.f_bsize = found.f_frsize = block.block_size
        found.f_blocks = -(-block.used // block.block_size)
        found.f_files = block.inodes
        found.f_bfree = found.f_bavail = found.f_ffree = found.f_favail = 0
        found.f_namemax = 256
        return found


async def _serve(ready: Callable[[], None]) -> None:
    async with trio.open_nursery() as nursery:

        async def wait_for_signal() -> None:
            with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
                ready()
                async for _ in signals:
                    pyfuse3.terminate()
                    return

        nursery.start_soon(wait_for_signal)
        await pyfuse3.main()
        nursery.cancel_scope.cancel()


def serve(image: Path, layer: Path | None, folder: Path, *, patience: int, ready: Callable[[], None]) -> None:
    """Mount and serve until it is unmounted or a signal comes; `ready` is called once the mount is there."""
    with Tree(image, layer, patience=patience) as tree:
        view = View(tree)
        # libfuse reads commas and backslashes in a value as its own.
        name = str(image).replace("\\", "\\\\").replace(",", "\\,")
        options = {"ro", "nosuid", "nodev", "default_permissions", f"fsname={name}", f"subtype={FS_TYPE}"}
        try:
            pyfuse3.init(view, str(folder), options)
        except RuntimeError as e:
            raise VmError(f"cannot mount on {folder}: {e}", tip="is /dev/fuse there, and may you use it?") from e
        try:
            trio.run(_serve, ready)
        finally:
            pyfuse3.close(unmount=True)
