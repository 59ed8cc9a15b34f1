# SPDX-License-Identifier: MIT
"""The first block of a SquashFS 4 file (kernel: fs/squashfs/squashfs_fs.h)."""

from __future__ import annotations

import struct
from pathlib import Path

from genpack.errors import UsageError

MAGIC = 0x73717368


def check_superblock(image: Path) -> None:
    """Raises UsageError if a file is no complete SquashFS 4 image."""
    with image.open("rb") as file:
        block = file.read(96)
    if len(block) < 96 or struct.unpack_from("<I", block)[0] != MAGIC or struct.unpack_from("<H", block, 28)[0] != 4:
        raise UsageError(f"{image} is no SquashFS file")
    used = struct.unpack_from("<Q", block, 40)[0]
    if image.stat().st_size < used:
        raise UsageError(f"{image} is truncated: {image.stat().st_size} of {used} bytes")
