# SPDX-License-Identifier: MIT
"""The guest's disks: checked before anything starts."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from genpack_vm import host
from genpack_vm.config import Disk
from genpack_vm.errors import UsageError


def _checked(path: Path, option: str, *, write: bool, tip: str | None) -> Path:
    """The absolute path of a file or block device that can be opened as needed."""
    try:
        fd = os.open(path, (os.O_RDWR if write else os.O_RDONLY) | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as e:
        raise UsageError(f"{option}: there is no {path}", tip=tip) from e
    except OSError as e:
        how = "read and write" if write else "read"
        raise UsageError(f"{option}: cannot {how} {path}: {e.strerror}") from e
    try:
        status = os.fstat(fd)
    finally:
        os.close(fd)
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISBLK(status.st_mode):
        raise UsageError(f"{option}: {path} is neither a file nor a block device")
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        raise UsageError(f"{option}: {path} is empty", tip=tip)
    return path.absolute()


def plan(image: Path, data: Path | None, swap: Path | None, *, volatile_data: bool) -> tuple[Disk, ...]:
    """vda, vdb and vdc: image, data, swap. A missing one keeps its place, so that the others keep their names."""
    if volatile_data and data is None:
        raise UsageError("--volatile-data needs --data-file", tip="without a data disk nothing is kept anyway")
    disks = [Disk("system", image.absolute(), read_only=True, direct=host.direct_io(image))]
    if data is not None:
        tip = f"make one: truncate -s 8G {data} && mkfs.btrfs {data}"
        data = _checked(data, "--data-file", write=not volatile_data, tip=tip)
        direct = not volatile_data and host.direct_io(data)
        disks.append(Disk("data", data, volatile=volatile_data, direct=direct))
    else:
        disks.append(Disk("data", None))
    if swap is not None:
        tip = f"make one: truncate -s 2G {swap} && mkswap {swap}"
        swap = _checked(swap, "--swap", write=True, tip=tip)
        disks.append(Disk("swap", swap, direct=host.direct_io(swap)))
    else:
        disks.append(Disk("swap", None))
    paths = [os.path.realpath(d.path) for d in disks if d.path is not None]
    if len(set(paths)) != len(paths):
        raise UsageError("the same file is given for two disks")
    return tuple(disks)
