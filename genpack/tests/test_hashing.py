# SPDX-License-Identifier: MIT
"""Hashes of folders: content, names, permissions, links; not times, not owners."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from genpack.errors import GenpackError

from genpack import hashing


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "t/sub/empty").mkdir(parents=True)
    (tmp_path / "t/file").write_text("x")
    (tmp_path / "t/link").symlink_to("file")
    return tmp_path / "t"


@pytest.mark.parametrize(
    "change",
    [
        lambda t: (t / "file").write_text("y"),
        lambda t: (t / "file").chmod(0o755),
        lambda t: (t / "file").rename(t / "file2"),
        lambda t: (t / "sub/empty").rmdir(),
        lambda t: ((t / "link").unlink(), (t / "link").symlink_to("other")),
        lambda t: ((t / "link").unlink(), (t / "link").write_text("file")),
    ],
)
def test_changes_that_count(tree: Path, change: Callable[[Path], object]) -> None:
    before = hashing.of_folder(tree)
    change(tree)
    assert hashing.of_folder(tree) != before


def test_times_do_not_count(tree: Path) -> None:
    before = hashing.of_folder(tree)
    os.utime(tree / "file", (1, 1))
    assert hashing.of_folder(tree) == before


def test_none_and_skipped(tree: Path) -> None:
    assert hashing.of_folder(tree / "gone") == hashing.ABSENT
    before = hashing.of_folder(tree, skip=frozenset({"file"}))
    (tree / "file").unlink()
    assert hashing.of_folder(tree, skip=frozenset({"file"})) == before


def test_what_can_t_be_copied(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    with pytest.raises(GenpackError, match="neither"):
        hashing.of_folder(tree)


def test_order_is_that_of_bytes(tree: Path) -> None:
    assert [name for name, _ in hashing.walk(tree)] == ["file", "link", "sub", "sub/empty"]


def test_order_within_values_counts() -> None:
    assert hashing.of_value(["a", "b"]) != hashing.of_value(["b", "a"])
