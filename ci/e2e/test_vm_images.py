# SPDX-License-Identifier: MIT
"""Damaged images by the hundreds: whatever they make libsquashfuse do, `vm` says one error line, or works."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

IMAGES = 500
FILES = ("boot/vmlinuz-1", "boot/initramfs-1.img", "etc/small")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image with a fragment, many names in one folder, attributes, symlinks and files of some blocks."""
    top = tmp_path_factory.mktemp("image")
    tree = top / "tree"
    for name in ("boot", "etc/many"):
        (tree / name).mkdir(parents=True)
    for name in FILES:
        (tree / name).write_bytes(os.urandom(300_000 if name.startswith("boot") else 50))
    for n in range(400):
        (tree / "etc/many" / f"{n}").write_text(str(n))
    (tree / "boot/kernel").symlink_to("vmlinuz-1")
    os.setxattr(tree / "etc/small", "user.note", b"x" * 200)
    path = top / "image.squashfs"
    subprocess.run(["mksquashfs", str(tree), str(path), "-comp", "zstd", "-quiet", "-no-progress"], check=True)
    return path


def damage(data: bytes, dice: random.Random) -> bytes:
    """Some bytes changed: of the superblock, of the tables at the end, of anything."""
    changed = bytearray(data)
    for _ in range(dice.choice([1, 2, 16])):
        places = (dice.randrange(8, 96), len(data) - 1 - dice.randrange(8192), dice.randrange(len(data)))
        changed[dice.choice(places)] = dice.randrange(256)
    return bytes(changed)


@pytest.mark.full
def test_damaged_images(image: Path, tmp_path: Path) -> None:
    dice, good, path = random.Random(4711), image.read_bytes(), tmp_path / "damaged.squashfs"
    failed = 0
    for number in range(IMAGES):
        path.write_bytes(damage(good, dice))
        for command in (("ls", "-lR", path), ("cat", path, *FILES), ("run", "--dry-run", path)):
            done = subprocess.run(
                ["vm", *map(str, command)], stdin=subprocess.DEVNULL, capture_output=True, timeout=600, check=False
            )
            text = done.stderr.decode(errors="replace")
            assert done.returncode in (0, 1, 2), (number, command, text)
            assert "Traceback" not in text, (number, command)
            # The kernel of this image is none, so `run` fails in any case.
            failed += done.returncode != 0 and command[0] != "run"
    assert failed > IMAGES // 20
