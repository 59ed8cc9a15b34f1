# SPDX-License-Identifier: MIT
"""The machine id. The image has none: it is made once on a persistent layer; in transient mode, where it would be a
new one each time, it follows from the machine's serial number or MAC address, so that DHCP leases stay."""

from __future__ import annotations

import logging
import os
import re

from genpack_init import get_mount_info, replace_file, root_path, rw_path

MACHINE_ID = re.compile(r"[0-9a-f]{32}\Z")
SERIALS = ("sys/class/dmi/id/product_uuid", "proc/device-tree/serial-number")


def configure() -> None:
    """Write /etc/machine-id unless it holds an id."""
    path = root_path("etc/machine-id")
    try:
        known = path.read_text(errors="replace").strip()
    except FileNotFoundError:
        known = ""
    if MACHINE_ID.match(known) and known.strip("0"):
        return
    origin = hardware() if is_transient() else None
    replace_file(path, f"{make_id(origin)}\n", 0o444)
    logging.info("machine id made %s", "at random" if origin is None else "from the hardware")


def is_transient() -> bool:
    """True if the writable layer is gone at power-off."""
    return not rw_path().is_dir() or get_mount_info(rw_path()).get("fstype") in ("tmpfs", "ramfs")


def hardware() -> str | None:
    """Something that this machine keeps and no other has, or None."""
    for below in SERIALS:
        try:
            text = root_path(below).read_text(errors="replace").strip("\0 \n").lower()
        except OSError:
            continue
        if len(set(text) - {"-"}) > 2:  # all zeroes or all f's: not set
            return text
    network = root_path("sys/class/net")
    for folder in sorted(network.glob("*")):
        try:
            address, kind = (folder / "address").read_text().strip(), (folder / "addr_assign_type").read_text().strip()
        except OSError:
            continue
        if kind == "0" and (folder / "device").exists() and address.strip("0:"):  # 0: the address is permanent
            return address
    return None


def make_id(origin: str | None) -> str:
    """32 hex digits in the form of a version 4 UUID, as machine-id(5) wants them."""
    data = bytearray(os.urandom(16))
    if origin is not None:
        import hashlib

        data = bytearray(hashlib.sha256(b"genpack machine id\0" + origin.encode()).digest()[:16])
    data[6] = data[6] & 0x0F | 0x40
    data[8] = data[8] & 0x3F | 0x80
    return data.hex()
