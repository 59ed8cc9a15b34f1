# SPDX-License-Identifier: MIT
"""libsquashfuse as ctypes sees it, and the superblock, which is checked before the library reads the image.

The library's structures differ between its versions, so they stay opaque: buffers that are larger than any version's
structure, and its accessor functions. What it does not tell (owner, time, links) is read from the inode as it is on
disk, through the library's own reader of metadata; that format is fixed (squashfs_fs.h in Linux).
"""

from __future__ import annotations

import ctypes
import os
import struct
from ctypes import POINTER, c_bool, c_char_p, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from pathlib import Path

from genpack_vm.errors import ImageError, VmError

LIBRARY = "libsquashfuse.so.0"
OPAQUE = 8192  # bytes; `struct sqfs` has about 700, the others less
NONE = 0xFFFFFFFFFFFFFFFF  # a table that the image does not have
BAD_COMPRESSOR = 4  # SQFS_BADCOMP
TIP = "build it again, or copy it again from where it came"
COMPRESSORS = {1: "gzip", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"}
_SUPERBLOCK = struct.Struct("<IIIIIHHHHHHQQQQQQQQ")
_MAGIC = 0x73717368


class Cursor(ctypes.Structure):
    """A place in the metadata: a block's byte in the image, a byte in the unpacked block (sqfs_md_cursor)."""

    _fields_ = (("block", c_int64), ("offset", c_size_t))


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
        "sqfs_inode_get": (c_int, [c_void_p, c_void_p, c_uint64]),
        "sqfs_id_get": (c_int, [c_void_p, c_uint32, POINTER(c_uint32)]),
        "sqfs_md_read": (c_int, [c_void_p, POINTER(Cursor), c_void_p, c_size_t]),
        "sqfs_read_range": (c_int, [c_void_p, c_void_p, off_t, POINTER(off_t), c_void_p]),
        "sqfs_dir_open": (c_int, [c_void_p, c_void_p, c_void_p, off_t]),
        "sqfs_dir_next": (c_bool, [c_void_p, c_void_p, c_void_p, POINTER(c_int)]),
        "sqfs_dir_lookup": (c_int, [c_void_p, c_void_p, c_char_p, c_size_t, c_void_p, POINTER(c_bool)]),
        "sqfs_dentry_init": (None, [c_void_p, c_char_p]),
        "sqfs_dentry_name": (c_char_p, [c_void_p]),
        "sqfs_dentry_inode": (c_uint64, [c_void_p]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


@dataclass(frozen=True)
class Superblock:
    """What the image says of itself; the tables are bytes in it."""

    compressor: str
    inodes: int
    block_size: int
    root: int
    used: int
    xattr_table: int
    inode_table: int


def read_superblock(fd: int, path: Path) -> Superblock:
    """Refuse what is no whole SquashFS 4.0 image before the library sees it: it trusts the superblock's numbers."""
    size = os.fstat(fd).st_size
    head = os.pread(fd, _SUPERBLOCK.size, 0)
    if len(head) < _SUPERBLOCK.size or struct.unpack_from("<I", head)[0] != _MAGIC:
        raise ImageError(f"{path}: not a SquashFS image", tip="an image is what `genpack build` writes: NAME.squashfs")
    fields = _SUPERBLOCK.unpack(head)
    (_, inodes, _, block_size, _, compressor, block_log, _, _, major, minor, root, used, *tables) = fields
    if (major, minor) != (4, 0):
        raise ImageError(f"{path}: SquashFS version {major}.{minor} is not supported, only 4.0", tip=TIP)
    if compressor not in COMPRESSORS:
        raise ImageError(f"{path}: unknown SquashFS compressor {compressor}", tip=TIP)
    if not 12 <= block_log <= 20 or block_size != 1 << block_log:
        raise ImageError(f"{path}: the SquashFS is damaged: block size {block_size}", tip=TIP)
    if used > size:
        raise ImageError(f"{path}: the SquashFS is truncated: {size} of {used} bytes are there", tip=TIP)
    if used < _SUPERBLOCK.size or any(t >= used and t != NONE for t in tables):
        raise ImageError(f"{path}: the SquashFS is damaged: a table lies outside the image", tip=TIP)
    return Superblock(COMPRESSORS[compressor], inodes, block_size, root, used, tables[1], tables[2])
