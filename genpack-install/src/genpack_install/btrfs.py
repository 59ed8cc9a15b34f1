# SPDX-License-Identifier: MIT
"""The data partition: a Btrfs file system that is made in a sparse file and copied to its place."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from genpack_install import process, sums
from genpack_install.log import Log
from genpack_install.model import MIB

PROGRAMS = ("mkfs.btrfs", "unshare")
_BLOCK = 4 * MIB


def make(
    target: Path,
    start: int,
    size: int,
    *,
    label: str,
    identifier: bytes,
    image: tuple[Path, int] | None,
    record: str = "",
    beside: Path,
    log: Log,
) -> None:
    """Makes it, with the image (file, bytes) as the file `system`, and `record` beside it, if one is given. `beside`: a
    folder for the temporary file. `identifier`: 16 bytes that its UUID is made of."""
    with TemporaryDirectory(prefix=".genpack-install-", dir=beside) as temporary:
        made = Path(temporary) / "data"
        with made.open("wb") as file:
            os.truncate(file.fileno(), size)
        uuid = UUID(bytes=hashlib.sha256(identifier + b"data").digest()[:16], version=4)
        words: list[str | Path] = ["mkfs.btrfs", "--quiet", "--label", label, "--uuid", str(uuid)]
        if image is not None:
            root = Path(temporary) / "root"
            root.mkdir(mode=0o755)
            path, count = image
            with (root / "system").open("wb") as file:
                os.truncate(file.fileno(), count)
            copy_sparse(path, root / "system", 0, count)
            (root / sums.NAME).write_text(record)
            # Without this the files would belong to whoever makes the disk: a user of the device could have his number.
            words = ["unshare", "--map-root-user", *words, "--rootdir", root]
        process.run([*words, made], log)
        clear(target, start, MIB)  # signatures of file systems that were there
        clear(target, start + size - MIB, MIB)
        copy_sparse(made, target, start, size)


def clear(target: Path, start: int, count: int) -> None:
    """Overwrites with zeros."""
    with target.open("r+b") as file:
        file.seek(start)
        file.write(bytes(count))


def copy_sparse(source: Path, target: Path, start: int, size: int) -> None:
    """Copies what the first `size` bytes of a sparse file hold, not its holes, to byte `start` on."""
    with source.open("rb", buffering=0) as file, target.open("r+b", buffering=0) as output:
        position = 0
        while position < size:
            try:
                position = os.lseek(file.fileno(), position, os.SEEK_DATA)
            except OSError as e:
                if e.errno == errno.ENXIO:  # only a hole is left
                    break
                raise
            end = min(size, os.lseek(file.fileno(), position, os.SEEK_HOLE))
            file.seek(position)
            output.seek(start + position)
            while position < end:
                block = file.read(min(_BLOCK, end - position))
                position += len(block)
                view = memoryview(block)
                while view:
                    view = view[output.write(view) :]
