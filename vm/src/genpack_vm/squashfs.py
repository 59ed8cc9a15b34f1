# SPDX-License-Identifier: MIT
"""Read a SquashFS image with libsquashfuse through ctypes: no mount, no copy on disk.

The library may crash or run without end on a damaged image. Read one in a child process (module `isolate`).
"""

from __future__ import annotations

import ctypes
import os
import signal
import stat
import struct
from collections.abc import Iterator
from ctypes import byref, c_bool, c_int, c_int64, c_uint32
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from genpack_vm import paths
from genpack_vm.errors import ImageError
from genpack_vm.squashfs_lib import (
    BAD_COMPRESSOR,
    LIBRARY,
    NONE,
    OPAQUE,
    TIP,
    Cursor,
    load_library,
    read_superblock,
)

BLOCK = 1 << 20  # bytes read at once; the largest SquashFS block
_NO_XATTR = 0xFFFFFFFF
_SYMLINK_LIMIT = 65535  # bytes
_NAME_LIMIT, _VALUE_LIMIT, _XATTR_LIMIT = 255, 65536, 65536  # more is damage: bytes, bytes, attributes
_NAMESPACES = {0: "user.", 1: "trusted.", 2: "security."}
_ELSEWHERE = 0x100  # SQUASHFS_XATTR_VALUE_OOL: in the place of the value is where it is
_METADATA = 8192  # bytes of an unpacked metadata block

_BASE = struct.Struct("<HHHHII")  # struct squashfs_base_inode: type, mode, uid, gid, mtime, number
#: inode type -> (what follows the base, the places in it of: links, size, device, xattr; None: it has none)
_LAYOUTS: dict[int, tuple[struct.Struct, tuple[int | None, int | None, int | None, int | None]]] = {
    1: (struct.Struct("<IIHHI"), (1, 2, None, None)),
    2: (struct.Struct("<IIII"), (None, 3, None, None)),
    3: (struct.Struct("<II"), (0, 1, None, None)),
    4: (struct.Struct("<II"), (0, None, 1, None)),
    6: (struct.Struct("<I"), (0, None, None, None)),
    8: (struct.Struct("<IIIIHHI"), (0, 1, None, 6)),
    9: (struct.Struct("<QQQIIII"), (3, 1, None, 6)),
    10: (struct.Struct("<II"), (0, 1, None, None)),
    11: (struct.Struct("<III"), (0, None, 1, 2)),
    13: (struct.Struct("<II"), (0, None, None, 1)),
}
_LAYOUTS |= {5: _LAYOUTS[4], 7: _LAYOUTS[6], 12: _LAYOUTS[11], 14: _LAYOUTS[13]}
_TYPES = {
    1: stat.S_IFDIR,
    2: stat.S_IFREG,
    3: stat.S_IFLNK,
    4: stat.S_IFBLK,
    5: stat.S_IFCHR,
    6: stat.S_IFIFO,
    7: stat.S_IFSOCK,
}


class Kind(Enum):
    """What an inode is."""

    FOLDER = stat.S_IFDIR
    FILE = stat.S_IFREG
    SYMLINK = stat.S_IFLNK
    OTHER = 0


@dataclass(frozen=True)
class Inode:
    """One inode. `where`: its place in the image, by which the library finds it; `mtime` in seconds."""

    where: int
    number: int
    mode: int
    uid: int
    gid: int
    mtime: int
    links: int
    size: int
    device: int
    xattr: int
    target: str | None

    @property
    def kind(self) -> Kind:
        """Folder, file, symlink or another thing."""
        found = stat.S_IFMT(self.mode)
        return Kind(found) if found in (stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK) else Kind.OTHER


def _device(number: int) -> int:
    """The kernel's packed device number (new_encode_dev) as st_rdev."""
    return os.makedev((number & 0xFFF00) >> 8, (number & 0xFF) | ((number >> 12) & 0xFFF00))


class Image:
    """An open SquashFS image; a context manager. Paths are relative to its root; symlinks inside are followed.

    With `patience` a call of the library that takes more than that many seconds ends the process by SIGALRM.
    """

    def __init__(self, path: Path, *, patience: int = 0) -> None:
        self.path = path
        self._patience = patience
        self._lib = load_library()
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as e:
            raise ImageError(f"cannot open the image {path}: {e.strerror}") from e
        try:
            self.superblock = read_superblock(self._fd, path)
            self._fs = ctypes.create_string_buffer(OPAQUE)
            status = self._call("sqfs_init", self._fs, self._fd, 0)
            if status == BAD_COMPRESSOR:
                raise ImageError(f"{path}: {LIBRARY} was built without the image's compressor ({self.compressor})")
            self._check(status, "its tables cannot be read")
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self._lib.sqfs_destroy(self._fs)
        os.close(self._fd)

    @property
    def compressor(self) -> str:
        """Name of the image's compressor."""
        return self.superblock.compressor

    def _call(self, name: str, *arguments: Any) -> Any:
        if not self._patience:
            return getattr(self._lib, name)(*arguments)
        signal.alarm(self._patience)
        try:
            return getattr(self._lib, name)(*arguments)
        finally:
            signal.alarm(0)

    def _check(self, status: int, what: str) -> None:
        if status != 0:
            raise ImageError(f"{self.path}: the SquashFS is damaged: {what}", tip=TIP)

    # Inodes.

    def _metadata(self, cursor: Cursor, size: int) -> bytes:
        """The next `size` bytes at `cursor`, which moves on."""
        buffer = ctypes.create_string_buffer(size)
        if size == 0:
            return b""
        outside = not 0 <= cursor.block < self.superblock.used
        self._check(
            outside or self._call("sqfs_md_read", self._fs, byref(cursor), buffer, size), "metadata cannot be read"
        )
        return buffer.raw

    def _id(self, index: int) -> int:
        number = c_uint32()
        self._check(self._call("sqfs_id_get", self._fs, index, byref(number)), "an owner cannot be read")
        return number.value

    def inode(self, where: int) -> Inode:
        """The inode at a place that the superblock or a folder names."""
        cursor = self._reference(self.superblock.inode_table, where)
        kind, mode, uid, gid, mtime, number = _BASE.unpack(self._metadata(cursor, _BASE.size))
        self._check(kind not in _LAYOUTS, f"an inode has the type {kind}")
        layout, places = _LAYOUTS[kind]
        rest = layout.unpack(self._metadata(cursor, layout.size))
        links, size, device, xattr = (None if place is None else int(rest[place]) for place in places)
        target = None
        if kind in (3, 10):
            length = size or 0
            self._check(not 0 < length <= _SYMLINK_LIMIT, f"a symlink has {length} bytes")
            target = os.fsdecode(self._metadata(cursor, length))
            if kind == 10:
                xattr = struct.unpack("<I", self._metadata(cursor, 4))[0]
        return Inode(
            where=where,
            number=number,
            mode=_TYPES[kind - 7 if kind > 7 else kind] | mode & 0o7777,
            uid=self._id(uid),
            gid=self._id(gid),
            mtime=mtime,
            links=1 if links is None else links,
            size=size or 0,
            device=_device(device or 0),
            xattr=_NO_XATTR if xattr is None else xattr,
            target=target,
        )

    def root(self) -> Inode:
        """The root folder."""
        found = self.inode(self.superblock.root)
        self._check(found.kind is not Kind.FOLDER, "its root is no folder")
        return found

    def open(self, inode: Inode) -> Any:
        """The library's own form of an inode, for `read_at`."""
        buffer = ctypes.create_string_buffer(OPAQUE)
        self._check(self._call("sqfs_inode_get", self._fs, buffer, inode.where), "an inode cannot be read")
        return buffer

    def _entry(self) -> tuple[Any, Any]:
        entry, name = ctypes.create_string_buffer(OPAQUE), ctypes.create_string_buffer(512)
        self._lib.sqfs_dentry_init(entry, name)
        return entry, name  # the entry points to the name

    def entries(self, folder: Inode) -> Iterator[tuple[str, int]]:
        """(name, place of the inode) of everything in a folder, in the image's order, which is by name."""
        state, status = ctypes.create_string_buffer(OPAQUE), c_int(0)
        entry, _name = self._entry()
        self._check(self._call("sqfs_dir_open", self._fs, self.open(folder), state, 0), "a folder cannot be read")
        while self._call("sqfs_dir_next", self._fs, state, entry, byref(status)):
            yield os.fsdecode(self._lib.sqfs_dentry_name(entry)), self._lib.sqfs_dentry_inode(entry)
        self._check(status.value, "a folder cannot be read")

    def child(self, folder: Inode, name: str) -> Inode | None:
        """What a folder has under `name`; None for nothing."""
        entry, _name = self._entry()
        found, text = c_bool(False), os.fsencode(name)
        status = self._call("sqfs_dir_lookup", self._fs, self.open(folder), text, len(text), entry, byref(found))
        self._check(status, f"{name} cannot be looked up")
        return self.inode(self._lib.sqfs_dentry_inode(entry)) if found.value else None

    def read_at(self, handle: Any, offset: int, buffer: Any, size: int) -> int:
        """Read up to `size` bytes into `buffer`; how many there were."""
        done = c_int64(size)
        status = self._call("sqfs_read_range", self._fs, handle, offset, byref(done), buffer)
        self._check(status, f"a file cannot be read at byte {offset}")
        return max(0, done.value)

    def xattrs(self, inode: Inode) -> dict[str, bytes]:
        """The extended attributes, with their namespaces. From disk: libsquashfuse 0.1 mixes up trusted and security.

        Source: struct squashfs_xattr_id_table, squashfs_xattr_id, squashfs_xattr_entry and squashfs_xattr_val.
        """
        table = self.superblock.xattr_table
        if inode.xattr == _NO_XATTR or table == NONE:
            return {}
        start, sets, _ = struct.unpack("<QII", os.pread(self._fd, 16, table).ljust(16, b"\0"))
        self._check(inode.xattr >= sets, f"there is no set {inode.xattr} of attributes")
        block, offset = divmod(inode.xattr * 16, _METADATA)
        pointer = os.pread(self._fd, 8, table + 16 + block * 8).ljust(8, b"\xff")
        set_at = Cursor(struct.unpack("<q", pointer)[0], offset)
        where, count, _ = struct.unpack("<QII", self._metadata(set_at, 16))
        self._check(count > _XATTR_LIMIT, f"an inode has {count} attributes")
        cursor, found = self._reference(start, where), {}
        for _ in range(count):
            kind, length = struct.unpack("<HH", self._metadata(cursor, 4))
            namespace = _NAMESPACES.get(kind & 0xFF)
            self._check(namespace is None or not 0 < length <= _NAME_LIMIT, "an attribute's name cannot be read")
            name = self._metadata(cursor, length)
            value_at = cursor
            size = struct.unpack("<I", self._metadata(cursor, 4))[0]
            if kind & _ELSEWHERE:
                value_at = self._reference(start, struct.unpack("<Q", self._metadata(cursor, 8))[0])
                size = struct.unpack("<I", self._metadata(value_at, 4))[0]
            self._check(size > _VALUE_LIMIT, f"an attribute has {size} bytes")
            found[f"{namespace}{os.fsdecode(name)}"] = self._metadata(value_at, size)
        return found

    @staticmethod
    def _reference(table: int, number: int) -> Cursor:
        """A place in the metadata as inodes and attributes name it, relative to their table."""
        return Cursor(((number >> 16) + table) & 0x7FFFFFFFFFFFFFFF, number & 0xFFFF)

    # Paths.

    def find(self, path: str) -> tuple[str, Inode] | None:
        """(real path, inode) of `path`, every symlink followed inside the image; None if missing. No leading slash."""

        def child(folder: Inode, name: str) -> Inode | None:
            return self.child(folder, name) if folder.kind is Kind.FOLDER else None

        too_many = ImageError(f"{self.path}: too many symlinks behind /{path}")
        way = paths.follow(path, self.root(), child, lambda inode: inode.target, too_many)
        return None if way is None else (paths.real(way), way[-1][1])

    def resolve(self, path: str) -> str | None:
        """The real path (no leading slash) behind `path`; None if missing."""
        found = self.find(path)
        return None if found is None else found[0]

    def kind(self, path: str) -> Kind | None:
        """What `path` is after following symlinks; None when it does not exist."""
        found = self.find(path)
        return None if found is None else found[1].kind

    def names(self, path: str) -> list[str]:
        """Sorted names in the folder `path`; empty when it is no folder."""
        found = self.find(path)
        if found is None or found[1].kind is not Kind.FOLDER:
            return []
        return sorted(name for name, _ in self.entries(found[1]))

    def file(self, path: str) -> Inode:
        """The file at `path`; ImageError when it is none."""
        found = self.find(path)
        if found is None or found[1].kind is not Kind.FILE:
            raise ImageError(f"{self.path}: /{path} is not a file in the image")
        return found[1]

    def blocks(self, path: str) -> Iterator[memoryview]:
        """The file's bytes in pieces of at most `BLOCK`; each piece is valid until the next one is asked for."""
        inode = self.file(path)
        handle, buffer = self.open(inode), ctypes.create_string_buffer(BLOCK)
        offset = 0
        while offset < inode.size:
            size = self.read_at(handle, offset, buffer, BLOCK)
            self._check(size == 0, f"/{path} ends at byte {offset} of {inode.size}")
            yield memoryview(buffer)[:size]
            offset += size

    def read(self, path: str, limit: int) -> bytes:
        """The first `limit` bytes of a small file."""
        data = bytearray()
        for block in self.blocks(path):
            data += block[: limit - len(data)]
            if len(data) >= limit:
                break
        return bytes(data)
