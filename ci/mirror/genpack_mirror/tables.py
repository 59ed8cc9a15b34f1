# SPDX-License-Identifier: MIT
"""The text tables beside ``make``: which Debian package is which Gentoo package, and what the mirror holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


def rows(path: Path) -> list[list[str]]:
    """The words of each line; ``#`` starts a comment."""
    lines = (line.split("#", 1)[0].split() for line in path.read_text().splitlines())
    return [words for words in lines if words]


@dataclass(frozen=True)
class Wheel:
    """A PyPI wheel that becomes an ebuild."""

    atom: str
    distribution: str
    version: str
    depends: tuple[str, ...]


@dataclass(frozen=True)
class Tables:
    """Everything the mirror is made from, apart from code."""

    names: dict[str, str]
    """Debian package -> category/name"""
    dropped: frozenset[str]
    seed: tuple[str, ...]
    debs: dict[str, tuple[str, ...]]
    """category/name -> Debian packages"""
    wheels: tuple[Wheel, ...]

    @classmethod
    def load(cls, folder: Path) -> Tables:
        """Read the tables of ``folder``."""
        names = {deb: words[0] for words in rows(folder / "names.txt") for deb in words[1:]}
        return cls(
            names=names,
            dropped=frozenset(words[0] for words in rows(folder / "drop.txt")),
            seed=tuple(words[0] for words in rows(folder / "seed.txt")),
            debs={words[0]: tuple(words[1:]) for words in rows(folder / "debs.txt")},
            wheels=tuple(Wheel(w[0], w[1], w[2], tuple(w[3:])) for w in rows(folder / "wheels.txt")),
        )
