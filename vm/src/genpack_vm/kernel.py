# SPDX-License-Identifier: MIT
"""Find kernel and initramfs in an image, and load them into memory files that QEMU inherits."""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genpack_vm import arch, isolate, unpack
from genpack_vm.errors import ImageError
from genpack_vm.folder import Folder, open_image
from genpack_vm.squashfs import Image, Kind
from genpack_vm.squashfs_lib import load_library

READ_TIMEOUT = 120.0  # seconds to read both files; a damaged image may take for ever
SIZE_LIMIT = 1 << 30  # bytes; no kernel and no initramfs is larger, one of a damaged image may claim to be

_FIXED_KERNELS = ("boot/kernel", "boot/vmlinuz")
_FIXED_INITRAMFS = ("boot/initramfs", "boot/initramfs.img", "boot/initrd.img")
_PREFIX = re.compile(r"(?:kernel|vmlinuz|vmlinux|Image)-(?P<suffix>.+)")


@dataclass(frozen=True)
class BootFiles:
    """Paths inside the image, symlinks followed."""

    kernel: str
    initramfs: str | None


@dataclass(frozen=True)
class Loaded:
    """Kernel and initramfs as open memory files (inheritable descriptors), and what the image says of itself."""

    files: BootFiles
    arch: arch.Arch
    artifact: str | None
    kernel_fd: int
    initramfs_fd: int | None

    @property
    def fds(self) -> tuple[int, ...]:
        """The descriptors that QEMU must inherit."""
        return (self.kernel_fd,) if self.initramfs_fd is None else (self.kernel_fd, self.initramfs_fd)

    def close(self) -> None:
        """Give the memory back (QEMU keeps its own copy)."""
        for fd in self.fds:
            os.close(fd)


def version_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts 6.10 after 6.9, and a release before what is appended to it."""
    return [(1, int(p), "") if p.isdigit() else (0, 0, p) for p in re.findall(r"\d+|[^\d]+", name)]


def _is_file(image: Image | Folder, path: str) -> bool:
    return image.kind(path) is Kind.FILE


def find(image: Image | Folder) -> BootFiles:
    """Where the image's kernel and initramfs are; ImageError when it has no kernel."""
    names = image.names("boot")
    kernel = next((path for path in _FIXED_KERNELS if _is_file(image, path)), None)
    if kernel is None:
        numbered = [n for n in names if n.startswith(("kernel-", "vmlinuz-")) and _is_file(image, f"boot/{n}")]
        newest = max(numbered, key=lambda n: version_key(n.split("-", 1)[1]), default=None)
        kernel = None if newest is None else f"boot/{newest}"
    if kernel is None:
        dangling = next((p for p in _FIXED_KERNELS if p.split("/")[1] in names), None)
        why = f"/{dangling} leads nowhere" if dangling else "no /boot/kernel, /boot/vmlinuz or /boot/vmlinuz-VERSION"
        raise ImageError(
            f"{image.path}: the image has no kernel ({why})",
            tip="an image for `vm run` needs a kernel package, such as that of the profile paravirt",
        )
    real = image.resolve(kernel) or kernel
    candidates = list(_FIXED_INITRAMFS)
    match = _PREFIX.fullmatch(real.rsplit("/", 1)[-1])
    if match:
        suffix = match["suffix"]
        candidates += [f"boot/{n}" for n in (f"initramfs-{suffix}", f"initramfs-{suffix}.img", f"initrd.img-{suffix}")]
    initramfs = next((path for path in candidates if _is_file(image, path)), None)
    return BootFiles(real, None if initramfs is None else image.resolve(initramfs))


def _copy(image: Image | Folder, path: str, fd: int) -> None:
    size = image.file(path).size
    if size > SIZE_LIMIT:
        raise ImageError(f"{image.path}: /{path} has {size} bytes, which is no size for it")
    for block in image.blocks(path):
        view = block
        while view:
            view = view[os.write(fd, view) :]


class _Copying(threading.Thread):
    """Copies a file while another one is read: with an image of its own, as the library is not made for two threads."""

    def __init__(self, image: Path, path: str, fd: int) -> None:
        super().__init__()
        self._image, self._path, self._fd = image, path, fd
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            with open_image(self._image) as image:
                _copy(image, self._path, self._fd)
        except Exception as e:
            self._error = e

    def finish(self) -> None:
        """Wait for it; its error."""
        self.join()
        if self._error is not None:
            raise self._error


def _artifact(image: Image | Folder) -> str | None:
    try:
        return image.read(".genpack/artifact", 256).decode("utf-8", "replace").strip()
    except ImageError:
        return None  # an image of another origin boots too


def _read(path: Path, kernel_fd: int, initramfs_fd: int) -> dict[str, Any]:
    """Fill the two memory files from the image; where they came from, as plain data."""
    with open_image(path) as image:
        files = find(image)
        other = None
        if files.initramfs is not None:
            other = _Copying(path, files.initramfs, initramfs_fd)
            other.start()
        _copy(image, files.kernel, kernel_fd)
        if other is not None:
            other.finish()
        return {"artifact": _artifact(image), "kernel": files.kernel, "initramfs": files.initramfs}


def _unpacked(fd: int, name: str) -> int:
    """`fd` itself, or a memory file with the unpacked kernel; `fd` is closed then."""
    os.lseek(fd, 0, os.SEEK_SET)
    plain = os.memfd_create("kernel", 0)
    try:
        with open(fd, "rb", closefd=False) as source, open(plain, "wb", closefd=False) as target:
            packed = unpack.unpack(source, target, name)
    except BaseException:
        os.close(plain)
        raise
    os.close(fd if packed else plain)
    return plain if packed else fd


def _describe(head: bytes) -> str:
    """What the bytes are, by libmagic where it is installed."""
    try:
        import magic

        return str(magic.from_buffer(head))
    except ImportError:
        return f"data that begins with {head[:8].hex(' ')}" if head else "an empty file"


class Loading:
    """An image's kernel and initramfs on their way into memory files, in a child process. Ask for `result` once."""

    def __init__(self, path: Path) -> None:
        load_library()  # here, so that a missing library is not taken for a damaged image
        self._path, self._asked = path, False
        # No MFD_CLOEXEC: QEMU opens them as /proc/self/fd/N.
        self._kernel, self._initramfs = os.memfd_create("kernel", 0), os.memfd_create("initramfs", 0)
        kernel_fd, initramfs_fd = self._kernel, self._initramfs
        self._job = isolate.Job(lambda: _read(path, kernel_fd, initramfs_fd), name=str(path), timeout=READ_TIMEOUT)

    def close(self) -> None:
        """Stop it, if its result was not asked for; nothing stays."""
        if not self._asked:
            self._asked = True
            self._job.close()
            self._close_files()

    def _close_files(self) -> None:
        os.close(self._kernel)
        os.close(self._initramfs)

    def result(self) -> Loaded:
        """Wait for both files, unpack the kernel. The caller closes what it gets."""
        self._asked = True
        try:
            read = self._job.result()
            files = BootFiles(read["kernel"], read["initramfs"])
            self._kernel = _unpacked(self._kernel, f"{self._path}:/{files.kernel}")
            found = _arch(self._kernel, f"{self._path}: /{files.kernel}")
        except BaseException:
            self._close_files()
            raise
        if files.initramfs is None:
            os.close(self._initramfs)
        return Loaded(
            files, found, read["artifact"], self._kernel, None if files.initramfs is None else self._initramfs
        )


def _arch(fd: int, what: str) -> arch.Arch:
    """The architecture that the kernel in `fd` is for."""
    head = os.pread(fd, arch.HEADER_BYTES, 0)
    found = arch.of_kernel(head)
    if found is None:
        raise ImageError(
            f"{what} is not a Linux kernel for a known architecture, but {_describe(head)}",
            tip="known are x86_64, i686, aarch64 and riscv64",
        )
    return found


def load(path: Path) -> Loaded:
    """Read an image's kernel (unpacked) and initramfs into memory files. The caller closes them."""
    return Loading(path).result()
