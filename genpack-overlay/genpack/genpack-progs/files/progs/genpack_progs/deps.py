# SPDX-License-Identifier: MIT
"""Dependency structures, once USE conditionals are resolved: which atoms of them count.

A structure is what portage.dep.use_reduce(..., opconvert=True) gives: a list of atoms and lists, where a list that
starts with "||" is an any-of group and every other list an all-of group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

Node: TypeAlias = "str | Sequence[Node]"

ANY_OF = "||"


def wanted(node: Node, installed: Callable[[str], bool]) -> Iterator[tuple[str, ...]]:
    """Yield what a structure asks for, blockers left out, each as a tuple of atoms of which one is needed.

    Of an any-of group the first alternative that is wholly installed counts. If none is, the atoms of all its
    alternatives come as one tuple, for the error that names them.
    """
    if isinstance(node, str):
        if not node.startswith("!"):
            yield (node,)
    elif node and node[0] == ANY_OF:
        alternatives = node[1:]
        chosen = next((a for a in alternatives if satisfied(a, installed)), None)
        if chosen is not None:
            yield from wanted(chosen, installed)
        elif alternatives:
            yield tuple(atom for a in alternatives for atom in atoms(a))
    else:
        for child in node:
            yield from wanted(child, installed)


def satisfied(node: Node, installed: Callable[[str], bool]) -> bool:
    """Is everything that a structure asks for installed? A blocker asks for nothing."""
    if isinstance(node, str):
        return node.startswith("!") or installed(node)
    if node and node[0] == ANY_OF:
        return len(node) == 1 or any(satisfied(a, installed) for a in node[1:])
    return all(satisfied(child, installed) for child in node)


def atoms(node: Node) -> Iterator[str]:
    """Yield every atom of a structure but blockers."""
    if isinstance(node, str):
        if node != ANY_OF and not node.startswith("!"):
            yield node
    else:
        for child in node:
            yield from atoms(child)
