# SPDX-License-Identifier: MIT
"""A guest that does nothing: an image whose kernel is one halt in a loop."""

from __future__ import annotations

import struct
from pathlib import Path

from harness.commands import run


def kernel() -> bytes:
    """The smallest x86 bzImage that QEMU starts (Documentation/arch/x86/boot.rst in Linux)."""
    image = bytearray(3 * 512)
    image[0x1F1] = 1  # sectors of real-mode code after the first
    image[0x1FE:0x206] = b"\x55\xaa" + b"\xeb\x66" + b"HdrS"  # the jump goes to 0x268
    struct.pack_into("<H", image, 0x206, 0x020C)
    image[0x211] = 1  # LOADED_HIGH
    struct.pack_into("<I", image, 0x214, 0x100000)
    struct.pack_into("<I", image, 0x22C, 0x7FFFFFFF)
    struct.pack_into("<H", image, 0x236, 1)  # XLF_KERNEL_64
    struct.pack_into("<I", image, 0x238, 2047)
    image[0x268:0x26C] = b"\xfa\xf4\xeb\xfd"  # cli; hlt; jmp to hlt
    return bytes(image)


def idle_image(folder: Path) -> Path:
    """An image named idle in a folder that must not be there."""
    tree = folder / "tree"
    for name, content in (("boot/kernel", kernel()), (".genpack/artifact", b"idle")):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    image = folder / "idle.squashfs"
    run("mksquashfs", tree, image, "-noappend", "-quiet", "-no-progress").ok()
    return image
