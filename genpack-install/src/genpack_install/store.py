# SPDX-License-Identifier: MIT
"""The folder that the generations lie in, and every change of it: each is on the disk when it returns.

On FAT all four names have their directory entries, of no bytes where there is no image, in one sector of the folder, so
that an exchange is one write. On Btrfs an fsync would only reach a log that GRUB does not read: syncfs commits.
"""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from genpack_install import grubenv
from genpack_install.errors import InstallError
from genpack_install.generations import Move, Name, Remove, SetEnv, State, Step, Swap

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h
_BLOCK = 4 << 20


def _call(function: str, *arguments: int | bytes) -> None:
    """A function of libc that returns 0 or sets errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def can_exchange() -> bool:
    """Whether this kernel exchanges names on FAT: Linux does so since 6.0 (fs/fat/namei_vfat.c), on Btrfs since 4.7."""
    major, _, rest = platform.release().partition(".")
    minor = "".join(itertools.takewhile(str.isdigit, rest))
    return major.isdigit() and (int(major), int(minor or 0)) >= (6, 0)


def exchange(one: Path, other: Path) -> None:
    """Exchanges two names: renameat2(2), on FAT since Linux 6.0."""
    _call("renameat2", _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)


@dataclass(frozen=True)
class Store:
    """`folder`: where the images lie; `boot`: the boot partition, where grubenv lies. They may be the same."""

    folder: Path
    boot: Path

    def path(self, name: Name) -> Path:
        """Where the image of this name lies."""
        if name is Name.CURRENT:
            return self.folder / ("system.img" if self.folder == self.boot else "system")
        return self.folder / f"system.{name.value}"

    def state(self) -> State:
        """What is there: the size of each image in bytes stands for it."""
        sizes = {name: self.size(name) for name in Name}
        images = {name: str(size) for name, size in sizes.items() if size}
        return State(images, grubenv.env(grubenv.read(self.boot)))

    def size(self, name: Name) -> int:
        """Bytes; 0 if there is none."""
        try:
            return self.path(name).stat().st_size
        except FileNotFoundError:
            return 0

    def sync(self) -> None:
        """All that was written, on the disk."""
        for folder in {self.folder, self.boot}:
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                _call("syncfs", fd)
                os.fsync(fd)  # syncfs of FAT leaves what it wrote in the disk's cache; fsync flushes that
            finally:
                os.close(fd)

    def prepare(self) -> None:
        """Gives every name an entry in the folder, of no bytes if there is no image."""
        for name in Name:
            self.path(name).touch(exist_ok=True)
        self.sync()

    @contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        """`system.new`, empty, to be written; on the disk when the block ends well, of no bytes if not."""
        path = self.path(Name.NEW)
        try:
            with path.open("wb", buffering=0) as file:
                yield file
                os.fsync(file.fileno())
            self.sync()
        except BaseException:
            os.truncate(path, 0)
            self.sync()
            raise

    def digest(self, name: Name, *, from_disk: bool = False) -> str:
        """SHA-256 (hex) of an image. `from_disk`: not what memory still holds of it."""
        with self.path(name).open("rb", buffering=0) as file:
            if from_disk:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            return hashlib.file_digest(file, "sha256").hexdigest()

    def change(self, step: Step) -> None:
        """Does a step (Write is not done here)."""
        match step:
            case SetEnv(env):
                grubenv.write(self.boot, env)
            case Move(source, target):
                self.path(source).rename(self.path(target))
            case Swap(one, other):
                exchange(self.path(one), self.path(other))
            case Remove(name):
                self._empty(name)
            case _:
                raise AssertionError(step)
        self.sync()

    def _empty(self, name: Name) -> None:
        try:
            os.truncate(self.path(name), 0)
        except FileNotFoundError:
            pass

    def copy(self, source: BinaryIO, size: int) -> str:
        """`size` bytes to `system.new`; their SHA-256. InstallError if there are fewer."""
        found, left = hashlib.sha256(), size
        with self.writing() as file:
            while left:
                block = source.read(min(_BLOCK, left))
                if not block:
                    raise InstallError(f"the image ended {left} bytes early", tip="copy it again")
                found.update(block)
                left -= len(block)
                view = memoryview(block)
                while view:
                    view = view[file.write(view) :]
        return found.hexdigest()
