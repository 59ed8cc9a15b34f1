# SPDX-License-Identifier: MIT
"""What programs' output says about progress, and the live line."""

from __future__ import annotations

import pytest
from genpack.progress import Emerge, Progress, cut, live, mksquashfs


def test_emerge_counts_what_is_complete() -> None:
    watch = Emerge()
    assert watch(">>> Verifying ebuild manifests") is None
    assert watch(">>> Jobs: 0 of 3 complete, 1 running         Load avg: 1, 1, 1") == Progress(0, 3, "packages")
    assert watch(">>> Emerging binary (2 of 3) a-b/c-1.0::gentoo") == Progress(0, 3, "packages", "a-b/c-1.0")
    assert watch(">>> Jobs: 1 of 3 complete") == Progress(1, 3, "packages", "a-b/c-1.0")


def test_emerge_without_jobs_counts_what_begins() -> None:
    watch = Emerge()
    assert watch(">>> Emerging (2 of 3) a-b/c-1.0::gentoo for /x/") == Progress(1, 3, "packages", "a-b/c-1.0")
    assert watch(">>> Installing (3 of 3) d/e-1") == Progress(2, 3, "packages", "d/e-1")


@pytest.mark.parametrize(
    ("line", "percent"), [("[====|      ]  5/10  50%", 50), ("[=====-] 2936/2936 100%", 100), ("50% done", None)]
)
def test_mksquashfs(line: str, percent: int | None) -> None:
    assert mksquashfs(line) == (None if percent is None else Progress(percent, 100, "percent"))


@pytest.mark.parametrize(
    ("progress", "columns", "line"),
    [
        (None, 80, "       1.5 s  upper: copy-up"),
        ("waiting", 80, "       1.5 s  upper: copy-up: waiting"),
        (Progress(5, 10, "files"), 80, "       1.5 s  upper: copy-up  [############............]  5 of 10 files"),
        (Progress(5, 10, "files"), 56, "       1.5 s  upper: copy-up  [####....]  5 of 10 files"[:55]),
        (Progress(1, 2, "packages", "a/b-1"), 46, "       1.5 s  upper: copy-up  1 of 2 packages"[:45]),
        (Progress(1 << 20, None, "bytes"), 80, "       1.5 s  upper: copy-up  1.0 MiB"),
        (Progress(3, 100, "percent"), 20, "       1.5 s  uppe"[:19]),
    ],
)
def test_the_live_line(progress: Progress | str | None, columns: int, line: str) -> None:
    shown = live("upper: copy-up", 1.5, progress, columns)
    assert len(shown) < columns
    assert shown.startswith(line[:20])
    if columns == 80:
        assert shown == line


def test_a_bar_is_full_at_the_end_and_is_left_out_where_there_is_no_room() -> None:
    assert "[########################]  100 %" in live("pack", 0, Progress(100, 100, "percent"), 100)
    narrow = live("pack", 0, Progress(1, 2, "packages", "a/b-1"), 42)
    assert "[" not in narrow
    assert narrow.endswith("  1 of 2 packages")


@pytest.mark.parametrize("columns", range(30, 90))
def test_a_bar_never_pushes_the_count_out(columns: int) -> None:
    shown = live("upper: copy-up", 0.2, Progress(24, 40, "files", "x"), columns)
    assert len(shown) < columns
    if "[" in shown:
        assert shown.endswith(("]  24 of 40 files", "]  24 of 40 files: x"))


def test_cut_counts_columns() -> None:
    assert cut("abc", 2) == "ab"
    assert cut("\u6f22\u5b57", 3) == "\u6f22"  # two columns each
    assert cut("e\u0301x", 2) == "e\u0301x"  # a combining accent takes none
    assert cut("a\x1b[Kb\n", 9) == "a?[Kb?"
