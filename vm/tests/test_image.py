# SPDX-License-Identifier: MIT
"""Images: real ones by mksquashfs, damaged ones, and the files to boot in them."""

from __future__ import annotations

import ctypes
import gzip
import os
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import guest
import pytest
from conftest import FORMATS, pack
from genpack_vm import kernel, looking, squashfs, squashfs_lib
from genpack_vm.arch import Arch
from genpack_vm.errors import ImageError, VmError
from genpack_vm.squashfs import Image, Kind

Make = Callable[..., Path]
BIG = os.urandom(2_500_001)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(FORMATS / "squashfs" / "tree", tmp_path_factory.mktemp("sample") / "sample.squashfs")


@pytest.mark.spawn
def test_sample(sample: Path) -> None:
    tree = FORMATS / "squashfs" / "tree"
    with Image(sample) as image:
        assert image.names("boot") == sorted(path.name for path in (tree / "boot").iterdir())
        assert image.resolve("boot/kernel") == "boot/vmlinuz-6.1.0-1-genpack"
        assert kernel.find(image) == kernel.BootFiles(
            "boot/vmlinuz-6.1.0-1-genpack", "boot/initramfs-6.1.0-1-genpack.img"
        )
        assert image.read(".genpack/artifact", 100) == (tree / ".genpack/artifact").read_bytes()
        assert image.read(".genpack/artifact", 3) == b"hel"


@pytest.mark.spawn
def test_the_samples_kernel_is_told_from_a_kernel(sample: Path) -> None:
    with pytest.raises(ImageError, match=r"vmlinuz-6\.1\.0-1-genpack is not a Linux kernel.*but ") as e:
        kernel.load(sample)
    assert "x86_64" in str(e.value.tip)


@pytest.mark.parametrize("compressor", ["gzip", "xz", "lz4", "zstd", "lzo"])
def test_contents_by_compressor(make_image: Make, compressor: str) -> None:
    files: dict[str, bytes | str] = {"a/big": BIG, "a/text": b"text " * 100000, "a/small": b"x", "a/empty": b""}
    with Image(make_image(files, "-comp", compressor)) as image:
        assert image.compressor == compressor
        for name, content in files.items():
            assert b"".join(bytes(block) for block in image.blocks(name)) == content


def test_symlinks(make_image: Make) -> None:
    files: dict[str, bytes | str] = {
        "usr/lib/file": b"found",
        "lib": "usr/lib",
        "abs": "/lib/file",
        "up": "../../../usr/./lib/file",
        "usr/rel": "../lib/file",
        "loop": "loop",
        "out": "/nowhere/x",
    }
    with Image(make_image(files)) as image:
        for name in ("abs", "up", "usr/rel", "lib/file"):
            assert image.resolve(name) == "usr/lib/file"
        assert image.resolve("out") is None
        assert image.resolve("usr/lib/file/x") is None
        assert image.kind("lib") is Kind.FOLDER
        assert image.kind("none") is None
        with pytest.raises(ImageError, match="too many symlinks"):
            image.resolve("loop")
        with pytest.raises(ImageError, match="/lib is not a file"):
            image.read("lib", 1)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["vmlinuz-5.9.0", "vmlinuz-5.10.0", "initramfs-5.10.0.img"], ("vmlinuz-5.10.0", "initramfs-5.10.0.img")),
        (["kernel-6.1", "vmlinuz-6.0", "initramfs-6.1"], ("kernel-6.1", "initramfs-6.1")),
        (["kernel", "vmlinuz", "initramfs.img"], ("kernel", "initramfs.img")),
        (["vmlinuz", "kernel-9", "initrd.img"], ("vmlinuz", "initrd.img")),
        (["vmlinuz-1", "initrd.img-1"], ("vmlinuz-1", "initrd.img-1")),
        (["vmlinuz-1", "initramfs", "initramfs-1.img"], ("vmlinuz-1", "initramfs")),
        (["vmlinuz-2", "initramfs-1.img"], ("vmlinuz-2", None)),
    ],
)
def test_find(make_image: Make, names: list[str], found: tuple[str, str | None]) -> None:
    with Image(make_image({f"boot/{name}": name.encode() for name in names})) as image:
        files = kernel.find(image)
    wanted = None if found[1] is None else f"boot/{found[1]}"
    assert (files.kernel, files.initramfs) == (f"boot/{found[0]}", wanted)


def test_no_kernel(make_image: Make) -> None:
    with pytest.raises(ImageError, match=r"the image has no kernel \(no /boot/kernel"):
        kernel.load(make_image({"etc/passwd": b"x", "boot/vmlinuz-1/x": b"a folder"}))
    with pytest.raises(ImageError, match="/boot/kernel leads nowhere"):
        kernel.load(make_image({"boot/kernel": "vmlinuz-1"}))


def contents(fd: int) -> bytes:
    return os.pread(fd, 1 << 24, 0)


def test_load(make_image: Make) -> None:
    loaded = kernel.load(
        make_image({"boot/kernel": guest.kernel(), "boot/initramfs": BIG, ".genpack/artifact": b"a\n"})
    )
    assert (loaded.arch, loaded.artifact) == (Arch.X86_64, "a")
    assert contents(loaded.kernel_fd) == guest.kernel()
    assert loaded.initramfs_fd is not None
    assert contents(loaded.initramfs_fd) == BIG
    assert all(os.get_inheritable(fd) for fd in loaded.fds)
    loaded.close()


def test_load_unpacks(make_image: Make) -> None:
    loaded = kernel.load(make_image({"boot/kernel": gzip.compress(guest.kernel())}))
    assert contents(loaded.kernel_fd) == guest.kernel()
    assert (loaded.initramfs_fd, loaded.artifact) == (None, None)
    loaded.close()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_stays_open_after_a_failure(make_image: Make) -> None:
    image = make_image({"boot/kernel": b"no kernel", "boot/initramfs": b"x"})
    before = descriptors()
    with pytest.raises(ImageError):
        kernel.load(image)
    assert descriptors() == before


@pytest.fixture
def damaged(make_image: Make, tmp_path: Path) -> Iterator[Callable[[Callable[[bytearray], None]], Path]]:
    good = make_image({"boot/kernel": guest.kernel(), "boot/initramfs": BIG})

    def make(change: Callable[[bytearray], None]) -> Path:
        data = bytearray(good.read_bytes())
        change(data)
        path = tmp_path / "damaged.squashfs"
        path.write_bytes(data)
        return path

    yield make


def put(at: int, value: bytes) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        data[at : at + len(value)] = value

    return change


def cut(data: bytearray) -> None:
    del data[len(data) // 2 :]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put(0, b"PK"), "not a SquashFS image"),
        (lambda data: data.clear(), "not a SquashFS image"),
        (put(12, b"\x01\x02\x03\x04"), "damaged: block size"),
        (put(20, b"\x63\x00"), "unknown SquashFS compressor 99"),
        (put(28, b"\x03\x00"), r"version 3\.0 is not supported"),
        (cut, "truncated"),
        (put(64, b"\xf0\xff\xff\xff\x00\x00\x00\x00"), "a table lies outside"),
        (put(32, b"\xff" * 8), "damaged"),
    ],
)
def test_damaged(
    damaged: Callable[[Callable[[bytearray], None]], Path], change: Callable[[bytearray], None], message: str
) -> None:
    path = damaged(change)
    with pytest.raises(ImageError, match=message) as e:
        kernel.load(path)
    assert str(path) in str(e.value)


@pytest.mark.spawn
def test_a_file_of_more_than_2_gib(tmp_path: Path) -> None:
    """Sparse in the image; the end is data that begins beyond what 32 bits hold with a sign."""
    tree = tmp_path / "tree"
    tree.mkdir()
    with (tree / "big").open("wb") as file:
        file.seek((1 << 31) + 12345)
        file.write(BIG)
    with Image(pack(tree, tmp_path / "big.squashfs")) as image:
        inode = image.file("big")
        assert inode.size == (1 << 31) + 12345 + len(BIG)
        handle, buffer = image.open(inode), ctypes.create_string_buffer(squashfs.BLOCK)
        assert image.read_at(handle, (1 << 31) + 12340, buffer, 20) == 20
        assert buffer.raw[:20] == bytes(5) + BIG[:15]
        tail = bytearray()
        for offset in range((1 << 31) + 12345, inode.size, squashfs.BLOCK):
            size = image.read_at(handle, offset, buffer, squashfs.BLOCK)
            tail += buffer.raw[:size]
        assert image.read_at(handle, 1 << 20, buffer, squashfs.BLOCK) == squashfs.BLOCK
        assert buffer.raw == bytes(squashfs.BLOCK)
    assert tail == BIG


def test_a_kernel_of_no_likely_size(make_image: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "SIZE_LIMIT", 1000)
    with pytest.raises(ImageError, match="/boot/initramfs has 2500001 bytes, which is no size for it"):
        kernel.load(make_image({"boot/kernel": b"k", "boot/initramfs": BIG}))


def test_both_files_are_read_at_the_same_time(make_image: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither copy ends before the other one has begun."""
    meeting, copy = threading.Barrier(2, timeout=60), kernel._copy

    def both(image: Image, path: str, fd: int) -> None:
        meeting.wait()
        copy(image, path, fd)

    monkeypatch.setattr(kernel, "_copy", both)
    loaded = kernel.load(make_image({"boot/kernel": guest.kernel(), "boot/initramfs": BIG}))
    assert loaded.initramfs_fd is not None
    assert contents(loaded.initramfs_fd) == BIG
    loaded.close()


def test_any_damage_is_an_error_or_harmless(
    damaged: Callable[[Callable[[bytearray], None]], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    """Bytes changed at random, half of them in the tables: the library may crash, this program may not."""
    dice = random.Random(7)

    def change(data: bytearray) -> None:
        for _ in range(dice.choice([1, 2, 16])):
            at = dice.choice([dice.randrange(8, 96), len(data) - 1 - dice.randrange(4096), dice.randrange(len(data))])
            data[at] = dice.randrange(256)

    failed = 0
    for _ in range(50):
        image = damaged(change)
        try:
            kernel.load(image).close()
            looking.ls(str(image), (), long=True, recursive=True, as_json=False)
            looking.cat(str(image), ("boot/initramfs",))
        except VmError:
            failed += 1
    assert failed > 5


def test_library_that_crashes(make_image: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(image: Image, path: str, fd: int) -> None:
        os.kill(os.getpid(), 11)

    monkeypatch.setattr(kernel, "_copy", crash)
    with pytest.raises(ImageError, match="the SquashFS is damaged: reading it ended with signal 11"):
        kernel.load(make_image({"boot/kernel": guest.kernel()}))


def test_library_that_hangs(make_image: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setattr(kernel, "_copy", lambda image, path, fd: time.sleep(60))
    monkeypatch.setattr(kernel, "READ_TIMEOUT", 0.2)
    with pytest.raises(ImageError, match=r"did not end in 0\.2 s"):
        kernel.load(make_image({"boot/kernel": guest.kernel()}))


def test_no_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(squashfs_lib, "LIBRARY", "libnone.so.0")
    with pytest.raises(VmError, match=r"libnone\.so\.0 is required to read images") as e:
        kernel.load(tmp_path / "x")
    assert "libsquashfuse0" in str(e.value.tip)
    assert e.value.status == 1


def test_no_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"cannot open the image .*No such file"):
        kernel.load(tmp_path / "none.squashfs")
