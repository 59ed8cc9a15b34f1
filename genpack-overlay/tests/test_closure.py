# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import Sequence

import pytest
from genpack_progs.closure import Closure, resolve
from genpack_progs.deps import Node
from genpack_progs.errors import ProgsError


class FakeDb:
    """Packages "c/name-1" with their dependencies; atoms are "c/name"."""

    def __init__(self, packages: dict[str, Node], ignored: Sequence[str] = (), provided: Sequence[str] = ()) -> None:
        self._packages = packages
        self._ignored = ignored
        self._provided = provided

    def find(self, atom: str) -> str | None:
        return f"{atom}-1" if atom in self._packages else None

    def provided(self, atom: str) -> bool:
        return atom in self._provided

    def versions(self, atom: str) -> Sequence[str]:
        name = atom.split("[")[0]
        return [f"{name}-1"] if name in self._packages else []

    def ignored(self, cpv: str) -> bool:
        return cpv.removesuffix("-1") in self._ignored

    def dependencies(self, cpv: str) -> Node:
        return self._packages[cpv.removesuffix("-1")]


def close(db: FakeDb, **sets: Sequence[str]) -> Closure:
    return resolve(db, {f"@{name}": atoms for name, atoms in sets.items()})


def test_a_package_comes_after_what_it_needs() -> None:
    db = FakeDb({"c/base": ["c/libc", "c/init"], "c/init": ["c/python"], "c/python": ["c/libc"], "c/libc": []})
    assert close(db, profile=["c/base"]).packages == ["c/libc-1", "c/python-1", "c/init-1", "c/base-1"]


def test_a_cycle_is_cut_where_it_is_entered() -> None:
    db = FakeDb({"c/a": ["c/b"], "c/b": ["c/c"], "c/c": ["c/a"]})
    assert close(db, profile=["c/a"]).packages == ["c/c-1", "c/b-1", "c/a-1"]


def test_needed_by_names_packages_and_sets() -> None:
    db = FakeDb({"c/a": ["c/b"], "c/b": [], "c/d": ["c/b"]})
    found = close(db, profile=["c/a"], runtime=["c/b", "c/d"])
    assert found.needed_by["c/b-1"] == {"c/a-1", "c/d-1", "@runtime"}
    assert found.needed_by["c/a-1"] == {"@profile"}


def test_an_ignored_package_is_left_out_with_what_only_it_needs() -> None:
    db = FakeDb({"c/base": ["c/dracut", "c/bash"], "c/dracut": ["c/cpio", "c/bash"], "c/cpio": [], "c/bash": []},
                ignored=["c/dracut"])
    found = close(db, profile=["c/base"])
    assert found.packages == ["c/bash-1", "c/base-1"]
    assert found.ignored == ["c/dracut-1"]
    assert found.needed_by["c/bash-1"] == {"c/base-1"}


def test_all_missing_packages_are_named_with_who_needs_them() -> None:
    db = FakeDb({"c/a": ["c/gone", "c/b"], "c/b": ["c/gone", ["||", "c/x", "c/y"]]})
    with pytest.raises(ProgsError) as e:
        close(db, profile=["c/a", "c/away"])
    assert e.value.message.splitlines() == [
        "c/away is not installed, needed by @profile",
        "c/gone is not installed, needed by c/a-1, c/b-1",
        "one of c/x, c/y is not installed, needed by c/b-1",
    ]


def test_a_missing_use_flag_says_what_is_installed() -> None:
    db = FakeDb({"c/a": ["c/b[flag]"], "c/b": []})
    with pytest.raises(ProgsError, match=r"c/b\[flag\] is not installed, needed by c/a-1; installed is c/b-1"):
        close(db, profile=["c/a"])


def test_what_is_provided_is_not_missing() -> None:
    db = FakeDb({"c/a": ["c/p", ["||", "c/q", "c/b"]], "c/b": []}, provided=["c/p", "c/q"])
    assert close(db, profile=["c/a"]).packages == ["c/a-1"]


def test_a_chain_longer_than_the_recursion_limit() -> None:
    packages: dict[str, Node] = {f"c/p{i}": [f"c/p{i + 1}"] for i in range(3000)}
    packages["c/p3000"] = []
    assert len(close(FakeDb(packages), profile=["c/p0"]).packages) == 3001
