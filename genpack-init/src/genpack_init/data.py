# SPDX-License-Identifier: MIT
"""Data folders of services, kept on the writable layer itself: a database on an overlay would be copied as a whole."""

from __future__ import annotations

import logging
import os

from genpack_init.disk import get_partition_info, mount
from genpack_init.paths import INITRAMFS, text_path
from genpack_init.platform import read_text
from genpack_init.process import run

MOUNTS = "run/genpack-init"


def disk_with_serial(serial: str) -> str | None:
    """The path of the disk with that (virtio) serial number, or None."""
    try:
        names = sorted(os.listdir(text_path("sys/block")))
    except FileNotFoundError:
        return None
    for name in names:
        if read_text(f"sys/block/{name}/serial") == serial:
            return text_path(f"dev/{name}")
    return None


def bind_data(name: str, folder: str) -> bool:
    """Keep `folder` (a path of the image, such as "var/lib/mysql") on the disk with the serial number `name`, else on
    the data partition: its content is copied to NAME there the first time, and NAME is bind-mounted over it.

    True if the folder is in place; else an error line says why. A half copy is never taken for a whole one.
    """
    folder = text_path(folder.lstrip("/"))
    if not os.path.isdir(folder):
        logging.info("%s: the image has no %s", name, folder)
        return False
    if os.path.ismount(folder):
        return True
    disk = disk_with_serial(name)
    base = text_path(f"{INITRAMFS}/rw") if disk is None else _mounted(name, disk)
    if base is None or not os.path.isdir(base):
        if base:
            logging.error("%s: %s does not exist", name, base)
        return False
    kept = f"{base}/{name}"
    if not os.path.isdir(kept) and not _copy(name, folder, kept):
        return False
    if mount(kept, folder, options="bind") != 0:
        logging.error("%s: %s can't be mounted at %s", name, kept, folder)
        return False
    logging.info("%s: %s is %s", name, folder, kept)
    return True


def _mounted(name: str, disk: str) -> str | None:
    info = get_partition_info(disk)
    if not info or not info["type"]:
        logging.error("%s: %s has no file system; make one (mkfs.btrfs) or take the disk away", name, disk)
        return None
    target = text_path(f"{MOUNTS}/{name}")
    os.makedirs(target, 0o700, exist_ok=True)
    if not os.path.ismount(target) and mount(disk, target, fstype=info["type"]) != 0:
        logging.error("%s: %s (%s) can't be mounted", name, disk, info["type"])
        return None
    return target


def _copy(name: str, source: str, kept: str) -> bool:
    """`source` to `kept` by way of KEPT.tmp, which is only renamed when all of it is on the disk."""
    import shutil  # needed at the first boot alone

    temporary = f"{kept}.tmp"
    if os.path.lexists(temporary):
        logging.warning("%s: %s is half a copy, of a boot that was cut off; made again", name, temporary)
        shutil.rmtree(temporary, ignore_errors=True)
    # cp keeps owners, ACLs and extended attributes, which shutil does not
    if run(["cp", "-a", "--reflink=auto", "-T", "--", source, temporary]) != 0:
        shutil.rmtree(temporary, ignore_errors=True)
        logging.error("%s: %s could not be copied to %s: is it full?", name, source, temporary)
        return False
    if run(["sync", "-f", "--", temporary]) != 0:
        return False
    os.rename(temporary, kept)
    descriptor = os.open(os.path.dirname(kept), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    logging.info("%s: %s was copied to %s", name, source, kept)
    return True
