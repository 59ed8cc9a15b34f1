# SPDX-License-Identifier: MIT
"""`vm expand`: a running VM's disks get the size that their files have now."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genpack_vm import info, log, qmp, rundir
from genpack_vm.errors import VmError
from genpack_vm.identity import check_name

MIB = 1 << 20


@dataclass(frozen=True)
class Growth:
    """A disk of the guest whose file is larger than the guest sees; bytes."""

    disk: str
    before: int
    after: int


def _size(path: Path) -> int:
    """Of a file or a block device."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.lseek(fd, 0, os.SEEK_END)
    finally:
        os.close(fd)


def growths(blocks: Any) -> list[Growth]:
    """What has grown, from the answer to query-block. Raw, writable disks only: any other has a size of its own."""
    found = []
    for block in blocks:
        inserted = block.get("inserted")
        if not inserted or inserted["ro"] or inserted["drv"] != "raw":
            continue
        image = inserted["image"]
        path = Path(image["filename"])
        try:
            now = _size(path)
        except OSError as e:
            log.warning(f"{block['device']}: cannot look at {path}: {e.strerror}")
            continue
        if now > image["virtual-size"]:
            found.append(Growth(block["device"], image["virtual-size"], now))
        elif now < image["virtual-size"]:
            log.warning(f"{path} is smaller than the disk {block['device']} that the guest sees: it lost data")
    return found


def expand(name: str) -> None:
    """Tell the guest of every disk that grew; a line each."""
    top = rundir.root_of_user()
    info.find_running(top, check_name(name))
    socket = rundir.Files(top / name).qmp
    try:
        found = growths(qmp.command(name, socket, "query-block"))
    except (KeyError, TypeError) as e:
        raise VmError(f"QEMU of {name} describes its disks in an unknown way: {e!r}") from e
    for growth in found:
        arguments: dict[str, object] = {"device": growth.disk, "size": growth.after}
        qmp.command(name, socket, "block_resize", arguments=arguments)
        print(f"{growth.disk}: {growth.before / MIB:g} MiB, now {growth.after / MIB:g} MiB")
    if not found:
        log.info(f"no disk file of {name} has grown")
