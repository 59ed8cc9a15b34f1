# SPDX-License-Identifier: MIT
"""Paths in a tree of dicts; a str is a symlink."""

from __future__ import annotations

from typing import Any

import pytest
from genpack_vm import paths
from genpack_vm.errors import VmError

TREE: dict[str, Any] = {
    "a": {"b": {"file": 1}, "up": "../c", "self": "."},
    "c": {"abs": "/a/b", "out": "../../../a"},
    "loop": "loop",
}


def follow(path: str) -> str | None:
    way = paths.follow(
        path,
        TREE,
        lambda node, name: node.get(name) if isinstance(node, dict) else None,
        lambda node: node if isinstance(node, str) else None,
        VmError("too many"),
    )
    return None if way is None else paths.real(way)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", ""),
        ("//a/./b/file", "a/b/file"),
        ("a/up/abs/file", "a/b/file"),
        ("a/self/self/b", "a/b"),
        ("../../a", "a"),
        ("c/out/b", "a/b"),
        ("a/b/../up", "c"),
        ("a/none", None),
        ("a/b/file/x", None),
    ],
)
def test_follow(path: str, found: str | None) -> None:
    assert follow(path) == found


def test_a_loop_ends() -> None:
    with pytest.raises(VmError, match="too many"):
        follow("loop/x")
