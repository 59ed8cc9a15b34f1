# SPDX-License-Identifier: MIT
from __future__ import annotations

from genpack_progs.deps import Node, satisfied, wanted

INSTALLED = {"a", "b", "c"}


def ask(node: Node) -> list[tuple[str, ...]]:
    return list(wanted(node, INSTALLED.__contains__))


def test_all_of_asks_for_each_in_order() -> None:
    assert ask(["b", ["a", "x"]]) == [("b",), ("a",), ("x",)]


def test_blockers_ask_for_nothing() -> None:
    assert ask(["!x", "!!y", "a"]) == [("a",)]


def test_any_of_takes_the_first_that_is_installed() -> None:
    assert ask([["||", "x", "b", "a"]]) == [("b",)]


def test_any_of_wants_an_alternative_whole() -> None:
    assert ask([["||", ["a", "x"], ["b", "c"]]]) == [("b",), ("c",)]


def test_nested_any_of() -> None:
    assert ask([["||", ["||", "x", "y"], ["a", ["||", "z", "c"]]]]) == [("a",), ("c",)]


def test_any_of_without_anything_installed_names_all() -> None:
    assert ask([["||", "x", ["y", "!z"]]]) == [("x", "y")]


def test_empty_any_of_asks_for_nothing() -> None:
    assert ask([["||"]]) == []
    assert satisfied(["||"], INSTALLED.__contains__)


def test_alternative_of_a_blocker_alone_is_satisfied() -> None:
    assert ask([["||", ["!x"], "a"]]) == []
