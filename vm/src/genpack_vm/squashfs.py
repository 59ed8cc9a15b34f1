# SPDX-License-Identifier: MIT
"""Read files out of a SquashFS image with libsquashfuse through ctypes: no mount, no copy on disk.

The library's structures differ between its versions, so they stay opaque here: buffers that are larger than any
version's structure, and its accessor functions. The one field read directly is the inode type, which begins
`struct sqfs_inode` because it begins every inode on disk (squashfs_fs.h, struct squashfs_base_inode).
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from ctypes import POINTER, byref, c_bool, c_char_p, c_int, c_int64, c_size_t, c_uint64, c_void_p
from enum import Enum
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from genpack_vm.errors import ImageError, VmError

LIBRARY = "libsquashfuse.so.0"
BLOCK = 1 << 20  # bytes read at once; the largest SquashFS block
MAX_LINKS = 40  # symlinks followed in one path, as in the kernel (MAXSYMLINKS)
_OPAQUE = 8192  # bytes; `struct sqfs` has about 700, the others less
_SUPERBLOCK = struct.Struct("<IIIIIHHHHHHQQQQQQQQ")
_MAGIC = 0x73717368
_NONE = 0xFFFFFFFFFFFFFFFF  # a table that the image does not have
_COMPRESSORS = {1: "gzip", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"}
_SQFS_BADCOMP = 4


class Kind(Enum):
    """What an inode is; the values are SquashFS's types, the extended ones are these plus 7."""

    FOLDER = 1
    FILE = 2
    SYMLINK = 3
    OTHER = 0


def load_library() -> ctypes.CDLL:
    """libsquashfuse with the signatures that are used here; a VmError when it is not installed."""
    try:
        lib = ctypes.CDLL(LIBRARY)
    except OSError as e:
        raise VmError(
            f"{LIBRARY} is required to read images, and was not found",
            tip="install it: apt-get install libsquashfuse0 (Debian), emerge sys-fs/squashfuse (Gentoo)",
        ) from e
    off_t = c_int64
    signatures: dict[str, tuple[object, list[object]]] = {
        "sqfs_init": (c_int, [c_void_p, c_int, c_size_t]),
        "sqfs_destroy": (None, [c_void_p]),
        "sqfs_inode_root": (c_uint64, [c_void_p]),
        "sqfs_inode_get": (c_int, [c_void_p, c_void_p, c_uint64]),
        "sqfs_lookup_path": (c_int, [c_void_p, c_void_p, c_char_p, POINTER(c_bool)]),
        "sqfs_readlink": (c_int, [c_void_p, c_void_p, c_char_p, POINTER(c_size_t)]),
        "sqfs_read_range": (c_int, [c_void_p, c_void_p, off_t, POINTER(off_t), c_void_p]),
        "sqfs_dir_open": (c_int, [c_void_p, c_void_p, c_void_p, off_t]),
        "sqfs_dentry_init": (None, [c_void_p, c_char_p]),
        "sqfs_dir_next": (c_bool, [c_void_p, c_void_p, c_void_p, POINTER(c_int)]),
        "sqfs_dentry_name": (c_char_p, [c_void_p]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


def check_superblock(fd: int, path: Path) -> None:
    """Refuse what is no whole SquashFS 4.0 image before the library sees it: it trusts the superblock's numbers."""
    size = os.fstat(fd).st_size
    head = os.pread(fd, _SUPERBLOCK.size, 0)
    damaged = "build it again, or copy it again from where it came"
    if len(head) < _SUPERBLOCK.size or struct.unpack_from("<I", head)[0] != _MAGIC:
        raise ImageError(f"{path}: not a SquashFS image", tip="an image is what `genpack build` writes: NAME.squashfs")
    (_, _, _, block_size, _, compressor, block_log, _, _, major, minor, _, used, *tables) = _SUPERBLOCK.unpack(head)
    if (major, minor) != (4, 0):
        raise ImageError(f"{path}: SquashFS version {major}.{minor} is not supported, only 4.0", tip=damaged)
    if compressor not in _COMPRESSORS:
        raise ImageError(f"{path}: unknown SquashFS compressor {compressor}", tip=damaged)
    if not 12 <= block_log <= 20 or block_size != 1 << block_log:
        raise ImageError(f"{path}: the SquashFS is damaged: block size {block_size}", tip=damaged)
    if used > size:
        raise ImageError(f"{path}: the SquashFS is truncated: {size} of {used} bytes are there", tip=damaged)
    if used < _SUPERBLOCK.size or any(t >= used and t != _NONE for t in tables):
        raise ImageError(f"{path}: the SquashFS is damaged: a table lies outside the image", tip=damaged)


class Image:
    """An open SquashFS image; a context manager. Paths are relative to its root; symlinks inside are followed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lib = load_library()
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as e:
            raise ImageError(f"cannot open the image {path}: {e.strerror}") from e
        try:
            check_superblock(self._fd, path)
            self._fs = ctypes.create_string_buffer(_OPAQUE)
            status = self._lib.sqfs_init(self._fs, self._fd, 0)
            if status == _SQFS_BADCOMP:
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

    @cached_property
    def compressor(self) -> str:
        """Name of the image's compressor."""
        return _COMPRESSORS[_SUPERBLOCK.unpack(os.pread(self._fd, _SUPERBLOCK.size, 0))[5]]

    def _check(self, status: int, what: str) -> None:
        if status != 0:
            raise ImageError(
                f"{self.path}: the SquashFS is damaged: {what}",
                tip="build it again, or copy it again from where it came",
            )

    def _inode(self, path: str) -> ctypes.Array[ctypes.c_char] | None:
        """The inode at `path` itself, no last symlink followed; None when there is none."""
        inode = ctypes.create_string_buffer(_OPAQUE)
        root = self._lib.sqfs_inode_root(self._fs)
        self._check(self._lib.sqfs_inode_get(self._fs, inode, root), "no root folder")
        found = c_bool(True)
        if path:
            status = self._lib.sqfs_lookup_path(self._fs, inode, os.fsencode(path), byref(found))
            self._check(status, f"/{path} cannot be looked up")
        return inode if found.value else None

    @staticmethod
    def _kind(inode: ctypes.Array[ctypes.c_char]) -> Kind:
        number = struct.unpack_from("<H", inode.raw)[0]
        try:
            return Kind(number - 7 if number > 7 else number)
        except ValueError:
            return Kind.OTHER

    def _target(self, inode: ctypes.Array[ctypes.c_char], path: str) -> str:
        size = c_size_t(0)
        self._check(self._lib.sqfs_readlink(self._fs, inode, None, byref(size)), f"/{path} cannot be read")
        if not 0 < size.value <= 65536:
            self._check(1, f"/{path} is a symlink of {size.value} bytes")
        buffer = ctypes.create_string_buffer(size.value + 1)
        size.value += 1
        self._check(self._lib.sqfs_readlink(self._fs, inode, buffer, byref(size)), f"/{path} cannot be read")
        return os.fsdecode(buffer.value)

    def resolve(self, path: str) -> str | None:
        """The real path (no leading slash) behind `path`, every symlink followed inside the image; None if missing."""
        done: list[str] = []
        todo = [part for part in path.split("/") if part not in ("", ".")]
        links = 0
        while todo:
            part = todo.pop(0)
            if part == "..":
                done = done[:-1]
                continue
            here = "/".join([*done, part])
            inode = self._inode("/".join(done))
            if inode is None or self._kind(inode) is not Kind.FOLDER:
                return None
            inode = self._inode(here)
            if inode is None:
                return None
            if self._kind(inode) is not Kind.SYMLINK:
                done.append(part)
                continue
            links += 1
            if links > MAX_LINKS:
                raise ImageError(f"{self.path}: too many symlinks behind /{path}")
            target = self._target(inode, here)
            if target.startswith("/"):
                done = []
            todo = [p for p in target.split("/") if p not in ("", ".")] + todo
        return "/".join(done)

    def kind(self, path: str) -> Kind | None:
        """What `path` is after following symlinks; None when it does not exist."""
        real = self.resolve(path)
        inode = None if real is None else self._inode(real)
        return None if inode is None else self._kind(inode)

    def names(self, path: str) -> list[str]:
        """Sorted names in the folder `path`; empty when it is no folder."""
        real = self.resolve(path)
        inode = None if real is None else self._inode(real)
        if inode is None or self._kind(inode) is not Kind.FOLDER:
            return []
        folder, entry = ctypes.create_string_buffer(_OPAQUE), ctypes.create_string_buffer(_OPAQUE)
        name, status = ctypes.create_string_buffer(512), c_int(0)
        self._check(self._lib.sqfs_dir_open(self._fs, inode, folder, 0), f"/{path} cannot be read")
        self._lib.sqfs_dentry_init(entry, name)
        found = []
        while self._lib.sqfs_dir_next(self._fs, folder, entry, byref(status)):
            found.append(os.fsdecode(self._lib.sqfs_dentry_name(entry)))
        self._check(status.value, f"/{path} cannot be read")
        return sorted(found)

    def blocks(self, path: str) -> Iterator[memoryview]:
        """The file's bytes in pieces of at most `BLOCK`; each piece is valid until the next one is asked for."""
        real = self.resolve(path)
        inode = None if real is None else self._inode(real)
        if inode is None or self._kind(inode) is not Kind.FILE:
            raise ImageError(f"{self.path}: /{path} is not a file in the image")
        buffer = ctypes.create_string_buffer(BLOCK)
        offset = 0
        while True:
            size = c_int64(BLOCK)
            status = self._lib.sqfs_read_range(self._fs, inode, offset, byref(size), buffer)
            self._check(status, f"/{real} cannot be read at byte {offset}")
            if size.value <= 0:
                return
            yield memoryview(buffer)[: size.value]
            offset += size.value

    def read(self, path: str, limit: int) -> bytes:
        """The first `limit` bytes of a small file."""
        data = bytearray()
        for block in self.blocks(path):
            data += block[: limit - len(data)]
            if len(data) >= limit:
                break
        return bytes(data)
