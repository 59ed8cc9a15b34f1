# SPDX-License-Identifier: MIT
"""Find kernel and initramfs in an image, and load them into memory files that QEMU inherits."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genpack_vm import arch, isolate, unpack
from genpack_vm.errors import ImageError
from genpack_vm.squashfs import Image, Kind, load_library

READ_TIMEOUT = 120.0  # seconds to read both files; a damaged image may take for ever

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


def _is_file(image: Image, path: str) -> bool:
    return image.kind(path) is Kind.FILE


def find(image: Image) -> BootFiles:
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


def _copy(image: Image, path: str, fd: int) -> None:
    for block in image.blocks(path):
        view = block
        while view:
            view = view[os.write(fd, view) :]


def _artifact(image: Image) -> str | None:
    try:
        return image.read(".genpack/artifact", 256).decode("utf-8", "replace").strip()
    except ImageError:
        return None  # an image of another origin boots too


def _read(path: Path, kernel_fd: int, initramfs_fd: int) -> dict[str, Any]:
    """Fill the two memory files from the image; where they came from, as plain data."""
    with Image(path) as image:
        files = find(image)
        _copy(image, files.kernel, kernel_fd)
        if files.initramfs is not None:
            _copy(image, files.initramfs, initramfs_fd)
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


def load(path: Path) -> Loaded:
    """Read an image's kernel (unpacked) and initramfs into memory files. The caller closes them."""
    load_library()  # here, so that a missing library is not taken for a damaged image
    # No MFD_CLOEXEC: QEMU opens them as /proc/self/fd/N.
    kernel_fd, initramfs_fd = os.memfd_create("kernel", 0), os.memfd_create("initramfs", 0)
    try:
        read = isolate.run(lambda: _read(path, kernel_fd, initramfs_fd), name=str(path), timeout=READ_TIMEOUT)
        files = BootFiles(read["kernel"], read["initramfs"])
        kernel_fd = _unpacked(kernel_fd, f"{path}:/{files.kernel}")
        head = os.pread(kernel_fd, arch.HEADER_BYTES, 0)
        found = arch.of_kernel(head)
        if found is None:
            raise ImageError(
                f"{path}: /{files.kernel} is not a Linux kernel for a known architecture, but {_describe(head)}",
                tip="known are x86_64, i686, aarch64 and riscv64",
            )
    except BaseException:
        os.close(kernel_fd)
        os.close(initramfs_fd)
        raise
    if files.initramfs is None:
        os.close(initramfs_fd)
    return Loaded(files, found, read["artifact"], kernel_fd, None if files.initramfs is None else initramfs_fd)
