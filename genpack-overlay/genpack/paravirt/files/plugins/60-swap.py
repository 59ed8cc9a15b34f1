# SPDX-License-Identifier: MIT
"""Swap on the disk with the serial `swap`, else on /dev/vdc, if it holds swap space."""

from __future__ import annotations

import logging
from pathlib import Path

from genpack_init import get_partition_info, is_active_swap, root_path, run

SIGNATURE = b"SWAPSPACE2"  # the end of the first page, mkswap(8)
PAGE_SIZES = (4096, 8192, 16384, 65536)


def configure() -> None:
    """Switch it on. The 4 KiB stand-in of a VM without swap is no swap space, and is passed over."""
    device = swap_disk()
    if device is None or not has_signature(device) or is_active_swap(device):
        return
    info = get_partition_info(device)
    if info and info["type"] == "swap" and run(["swapon", device]) == 0:
        logging.info("swap on %s", device)


def swap_disk() -> Path | None:
    """The disk by its virtio serial number, else the third one."""
    for serial in sorted(root_path("sys/block").glob("*/serial")):
        if serial.read_text(errors="replace").strip() == "swap":
            return root_path("dev", serial.parent.name)
    third = root_path("dev/vdc")
    # a third disk with another serial number is something else
    named = root_path("sys/block/vdc/serial")
    if named.exists() and named.read_text(errors="replace").strip():
        return None
    return third if third.exists() else None


def has_signature(device: Path) -> bool:
    """True if it may be swap space: most VMs have none, and starting blkid to hear that takes longer than a look."""
    try:
        with device.open("rb", buffering=0) as file:
            start = file.read(PAGE_SIZES[-1])
    except OSError:
        return False
    return any(start[size - len(SIGNATURE) : size] == SIGNATURE for size in PAGE_SIZES)
