# SPDX-License-Identifier: MIT
"""Sizes and places: pure arithmetic."""

from __future__ import annotations

from pathlib import Path

import pytest
from genpack_install import layout, sizes
from genpack_install.errors import UsageError
from genpack_install.model import GIB, MIB, Mode, Options, Scheme, Target

NAME = Path("/dev/sdx")


def options(**values: object) -> Options:
    return Options(Mode.DISK, NAME, Path("image"), **values)  # type: ignore[arg-type]  # names of the test's own


def disk(size: int, *, sector: int = 512, device: bool = True) -> Target:
    return Target(NAME, size, sector, device)


@pytest.mark.parametrize(
    ("image", "boot"),
    [(MIB, 4 * GIB), (GIB, 4 * GIB), (GIB + 1, 5 * GIB), (2 * GIB, 7 * GIB), (4 * GIB - 1, 13 * GIB), (4 * GIB, GIB)],
)
def test_boot_partition_of_a_device(image: int, boot: int) -> None:
    """max(4, 3 x image + 1) GiB, whole; 1 GiB if the image lies on the data partition."""
    content = 0 if image >= 4 * GIB else image
    found = layout.plan(options(), disk(500 * GIB), image, content)
    assert found.boot_size == boot
    assert found.image_on_data == (image >= 4 * GIB)
    assert found.boot_start == MIB and found.data_start == MIB + boot
    assert found.data_start + found.data_size == 500 * GIB - MIB


def test_schemes() -> None:
    assert layout.plan(options(), disk(2048 * GIB), MIB, MIB).scheme is Scheme.MBR
    assert layout.plan(options(), disk(2048 * GIB + MIB), MIB, MIB).scheme is Scheme.GPT
    assert layout.plan(options(), disk(100 * GIB, sector=4096), MIB, MIB).scheme is Scheme.GPT
    assert layout.plan(options(gpt=True), disk(100 * GIB), MIB, MIB).scheme is Scheme.GPT
    assert layout.plan(options(superfloppy=True), disk(GIB), MIB, MIB).scheme is Scheme.NONE


def test_a_device_that_is_too_small() -> None:
    """A data partition of half the boot partition at least; the error names the size and the way out."""
    enough = 6 * GIB + 2 * MIB
    assert layout.plan(options(), disk(enough), MIB, MIB).data_size == 2 * GIB
    with pytest.raises(UsageError, match=r"/dev/sdx has 6.0 GiB: 6.0 GiB are needed") as error:
        layout.plan(options(), disk(enough - MIB), MIB, MIB)
    assert "--superfloppy" in str(error.value.tip)


def test_a_small_file() -> None:
    """2.2 times the image and 64 MiB at least, the rest is data."""
    image = 110 * MIB
    least = 2 + 306 + 128  # 2.2 x 110 + 64
    found = layout.plan(options(), disk(least * MIB, device=False), image, image)
    assert (found.boot_size, found.data_size) == (306 * MIB, 128 * MIB)
    with pytest.raises(UsageError, match="are needed for this image") as error:
        layout.plan(options(), disk((least - 1) * MIB, device=False), image, image)
    assert "--size" in str(error.value.tip)


def test_superfloppy_holds_no_large_image() -> None:
    with pytest.raises(UsageError, match="holds no file of 4 GiB or more"):
        layout.plan(options(superfloppy=True), disk(100 * GIB), 4 * GIB, 4 * GIB)


def test_large_image_needs_data_for_it() -> None:
    with pytest.raises(UsageError, match=r"are needed") as error:
        layout.plan(options(), disk(6 * GIB), 5 * GIB, MIB)
    assert "--superfloppy" not in str(error.value.tip)


@pytest.mark.parametrize("image", [MIB, 3 * GIB, 5 * GIB])
@pytest.mark.parametrize("superfloppy", [False, True])
def test_the_default_size_of_a_file_is_enough(image: int, superfloppy: bool) -> None:
    if superfloppy and image > layout.FAT_FILE_LIMIT:
        return
    content = 0 if image > layout.FAT_FILE_LIMIT else image
    wanted = options(superfloppy=superfloppy)
    size = layout.default_size(wanted, image, content)
    found = layout.plan(wanted, disk(size, device=False), image, content)
    assert found.boot_size >= content + 16 * MIB


def test_tables() -> None:
    found = layout.plan(options(), disk(100 * GIB), MIB, MIB)
    identifier = bytes(range(16))
    mbr = layout.table(found, identifier, 512, esp=True)
    assert "label: dos\nlabel-id: 0x00010203\nstart=2048, size=8388608, type=ef, bootable\n" in mbr
    assert "type=c, bootable" in layout.table(found, identifier, 512, esp=False)
    gpt = layout.plan(options(gpt=True), disk(100 * GIB, sector=4096), MIB, MIB)
    text = layout.table(gpt, identifier, 4096, esp=True)
    assert "start=256, size=1048576, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B" in text
    assert "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7" in layout.table(gpt, identifier, 4096, esp=False)


@pytest.mark.parametrize(("text", "count"), [("4G", 4 * GIB), ("800m", 800 * MIB), ("1GiB", GIB), ("1048576", MIB)])
def test_sizes(text: str, count: int) -> None:
    assert sizes.parse(text) == count
