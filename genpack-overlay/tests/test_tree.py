# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from genpack_progs.errors import ProgsError
from genpack_progs.tree import Tree, make_fundamentals


def merged_usr(root: Path) -> Tree:
    (root / "usr/lib").mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    (root / "lib64").symlink_to("/usr/lib64")
    (root / "usr/lib64").symlink_to("lib")
    return Tree(root)


def test_parents_are_resolved_and_the_links_named(tmp_path: Path) -> None:
    tree = merged_usr(tmp_path)
    assert tree.resolve_parent("/usr/lib/x") == ("/usr/lib/x", ())
    assert tree.resolve_parent("/lib/x/y") == ("/usr/lib/x/y", ("/lib",))
    assert tree.resolve_parent("/lib64/x") == ("/usr/lib/x", ("/lib64", "/usr/lib64"))


def test_the_path_itself_is_not_resolved(tmp_path: Path) -> None:
    assert merged_usr(tmp_path).resolve_parent("/lib") == ("/lib", ())


def test_a_link_never_leads_out_of_the_tree(tmp_path: Path) -> None:
    tree = merged_usr(tmp_path)
    (tmp_path / "out").symlink_to("../../../etc")
    assert tree.resolve_parent("/out/passwd") == ("/etc/passwd", ("/out",))


def test_a_circle_of_links_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(ProgsError, match="circle"):
        Tree(tmp_path).resolve_parent("/a/x")


@pytest.mark.skipif(os.geteuid() != 0, reason="device nodes need root")
def test_fundamentals(tmp_path: Path) -> None:
    tree = merged_usr(tmp_path)
    (tmp_path / "tmp").mkdir(mode=0o755)
    (tmp_path / "srv").mkdir(mode=0o711)
    umask = os.umask(0o077)
    try:
        paths = make_fundamentals(tree)
    finally:
        os.umask(umask)
    assert {"/lib", "/lib64", "/usr/lib64", "/var/run", "/dev/null", "/home"} <= set(paths)
    assert "/bin" not in paths

    def mode(path: str) -> int:
        return stat.S_IMODE((tmp_path / path).stat().st_mode)

    assert [mode(p) for p in ("tmp", "var/tmp", "root", "srv")] == [0o1777, 0o1777, 0o700, 0o711]
    null = (tmp_path / "dev/null").stat()
    assert stat.S_ISCHR(null.st_mode) and null.st_rdev == os.makedev(1, 3) and stat.S_IMODE(null.st_mode) == 0o666
    assert (tmp_path / "var/run").readlink() == Path("../run")
    (tmp_path / "dev/console").chmod(0o666)
    assert make_fundamentals(tree) == paths  # again: nothing to make, only modes to set
    assert mode("dev/console") == 0o600
