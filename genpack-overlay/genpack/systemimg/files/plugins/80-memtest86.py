# SPDX-License-Identifier: MIT
"""MemTest86 of the image on the boot partition, where the boot loader's menu looks for it."""

from __future__ import annotations

import logging
import os

from genpack_init import boot_path, get_mount_info, root_path

SOURCES = ("boot/memtest86-bin.efi", "boot/memtest86plus/memtest.efi", "boot/memtest.efi64")
TARGET = "efi/boot/memtest86.efi"


def configure() -> None:
    """Copy it unless it is there; a boot partition that is read-only, or none at all, is left alone."""
    source = next((path for below in SOURCES if (path := root_path(below)).is_file()), None)
    target = boot_path(TARGET)
    if source is None or not boot_path("system.img").is_file():
        return
    if "ro" in get_mount_info(boot_path()).get("options", "").split(","):
        return
    size = source.stat().st_size
    if target.is_file() and target.stat().st_size == size and target.read_bytes() == source.read_bytes():
        return
    temporary = target.with_suffix(".tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(source.read_bytes())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        logging.error("memtest86: %s: %s", target, error.strerror)
        return
    logging.info("memtest86: %s copied", target)
