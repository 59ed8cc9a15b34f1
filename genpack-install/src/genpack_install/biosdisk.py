# SPDX-License-Identifier: MIT
"""GRUB for BIOS on an MBR disk: its core in the gap before the first partition, its first sector in the disk's.

Fields as in boot.S, diskboot.S and util/setup.c of GRUB 2.
"""

from __future__ import annotations

import struct
from pathlib import Path

from genpack_install.errors import InstallError
from genpack_install.model import SECTOR

#: The core has two places between the table and the first partition, so that one can be replaced beside the other.
CORE_SECTORS = 1023
CORE_STARTS = (1, 1024)
#: In the first sector: where the core lies.
POINTER = 0x5C
_BOOT_DRIVE, _DRIVE_CHECK, _DISK_ID = 0x64, 0x66, 0x1B8
#: The second sector of the core is loaded here (a segment).
_SEGMENT = 0x820


def prepared(core_img: bytes, start: int) -> bytes:
    """The core as it must lie at sector `start`: its first sector says where the rest is."""
    sectors = -(-len(core_img) // SECTOR)
    if sectors > CORE_SECTORS:
        raise InstallError(f"GRUB's core image has {sectors} sectors: {CORE_SECTORS} fit before the first partition")
    core = bytearray(core_img.ljust(sectors * SECTOR, b"\0"))
    struct.pack_into("<QHH", core, SECTOR - 12, start + 1, sectors - 1, _SEGMENT)
    return bytes(core)


def first_sector(boot_img: bytes, old: bytes, start: int) -> bytes:
    """The disk's first sector, with the disk id and the table of partitions of the old one, for a core at `start`."""
    first = bytearray(boot_img[:SECTOR])
    first[_DISK_ID:] = old[_DISK_ID:]
    struct.pack_into("<Q", first, POINTER, start)
    first[_BOOT_DRIVE] = 0xFF  # boot from the drive that the BIOS names
    first[_DRIVE_CHECK : _DRIVE_CHECK + 2] = b"\x90\x90"  # a hard disk: the jump around the check of it is not taken
    return bytes(first)


def write(target: Path, boot_img: bytes, core_img: bytes) -> None:
    """Installs it in the first place."""
    start = CORE_STARTS[0]
    with target.open("r+b") as file:
        old = file.read(SECTOR)
        file.seek(start * SECTOR)
        file.write(prepared(core_img, start))
        file.flush()
        file.seek(0)
        file.write(first_sector(boot_img, old, start))
