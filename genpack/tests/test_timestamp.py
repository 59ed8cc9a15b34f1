# SPDX-License-Identifier: MIT
"""The time of a snapshot, which is the image's."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import tar_xz
from genpack.errors import GenpackError

from genpack import timestamp

GOOD = b"0123abc 1704164645 2024-01-02T03:04:05+00:00\n"


@pytest.mark.spawns
def test_good(tmp_path: Path) -> None:
    (tmp_path / "timestamp.commit").write_bytes(GOOD)
    found = timestamp.of_file(tmp_path / "timestamp.commit")
    assert (found.commit, found.epoch) == ("0123abc", 1704164645)
    (tmp_path / "x.tar.xz").write_bytes(tar_xz({"a": b"", "gentoo-1/metadata/timestamp.commit": GOOD, "b": b""}))
    packed = timestamp.of_archive(tmp_path / "x.tar.xz", "x")
    assert (packed.commit, packed.epoch, packed.folder) == ("0123abc", 1704164645, "gentoo-1")


@pytest.mark.parametrize(
    "content",
    [b"abc", b"abc 5", b"abc -5 x", b"abc 5.0 x", b"xyz 5 x", b"abc 0 x", b"a 4294967296 x", b"a 5 x y", b"\xff 5"],
)
def test_garbled(content: bytes) -> None:
    with pytest.raises(GenpackError, match=r"^file says '.*', not 'COMMIT EPOCH TIME'$") as caught:
        timestamp.parse(content, "file")
    assert caught.value.tip


@pytest.mark.spawns
def test_missing(tmp_path: Path) -> None:
    with pytest.raises(GenpackError, match="gone is missing: the snapshot's time is not known"):
        timestamp.of_file(tmp_path / "gone")
    for content in (tar_xz({"a": b""}), b"no archive"):
        (tmp_path / "x.tar.xz").write_bytes(content)
        with pytest.raises(GenpackError, match=r"^x has no metadata/timestamp\.commit"):
            timestamp.of_archive(tmp_path / "x.tar.xz", "x")
