# SPDX-License-Identifier: MIT
"""What emerge.log says of merges that were cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

from genpack import merges

START = "1795775119:  >>> emerge (1 of 2) {0} to /"
DONE = "1795775120:  ::: completed emerge (1 of 2) {0} to /"
REMOVE = "1795775126: === Unmerging... ({0})"
REPLACE = "1795775126:  === Unmerging... ({0})"
REMOVED = "1795775127:  >>> unmerge success: {0}"
X, Y = "app-misc/x-1.0-r1", "app-misc/y-2"


def log(*lines: tuple[str, str]) -> list[str]:
    return [text.format(package) for text, package in lines]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], []),
        ([(START, X), (DONE, X)], []),
        ([(START, X), (START, Y), (DONE, X)], [Y]),
        ([(START, X), (START, X), (DONE, X)], []),  # cut off, then made good
        ([(START, X), (DONE, X), (START, X)], [X]),  # reinstalled, cut off
        ([(START, X), (REPLACE, X), (REMOVED, X)], [X]),  # its old instance is gone, pkg_postinst did not run
        ([(REMOVE, X)], [X]),
        ([(REMOVE, X), (REMOVED, X), (REMOVE, Y)], [Y]),
    ],
)
def test_begun(lines: list[tuple[str, str]], expected: list[str]) -> None:
    assert merges.begun(log(*lines)) == expected


def test_unfinished_is_what_portage_takes_for_installed(tmp_path: Path) -> None:
    assert merges.unfinished(tmp_path) == []
    (tmp_path / "var/log").mkdir(parents=True)
    (tmp_path / merges.LOG).write_text("\n".join(log((START, X), (START, Y))))
    (tmp_path / merges.DATABASE / X).mkdir(parents=True)
    (tmp_path / merges.DATABASE / X / "SLOT").write_text("3/3.1\n")
    assert merges.unfinished(tmp_path) == ["app-misc/x:3"]


def test_half_entries_are_removed(tmp_path: Path) -> None:
    category = tmp_path / merges.DATABASE / "app-misc"
    for name in ("x-1", "-MERGING-y-2"):
        (category / name).mkdir(parents=True)
        (category / name / "SLOT").write_text("0\n")
    merges.forget_unfinished(tmp_path)
    assert [path.name for path in category.iterdir()] == ["x-1"]
