# SPDX-License-Identifier: MIT
"""Collects what is wrong with a definition, so that all of it is reported at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from genpack.errors import DefinitionError


@dataclass
class Problems:
    """Problems and notes of one file. `path` is the file; messages name it by its base name."""

    path: Path
    _found: dict[tuple[int, str], None] = field(default_factory=dict)
    _notes: dict[tuple[int, str], None] = field(default_factory=dict)

    @property
    def found(self) -> list[tuple[int, str]]:
        """(line, finished text) of every problem, in the order of the lines."""
        return sorted(self._found)

    @property
    def count(self) -> int:
        return len(self._found)

    @property
    def notes(self) -> list[tuple[int, str]]:
        """The same of the notes."""
        return sorted(self._notes)

    def add(self, line: int, key: str, what: str, advice: str) -> None:
        """`genpack.json5:LINE: key.path: what is wrong; what to do`."""
        self._found[line, f"{self.path.name}:{line}: {printable(key)}: {printable(what)}; {printable(advice)}"] = None

    def add_file(self, name: str, what: str, advice: str) -> None:
        """The same about another file of the artifact's folder, after those of the definition."""
        self._found[_LAST, f"{printable(name)}: {printable(what)}; {printable(advice)}"] = None

    def note(self, line: int, key: str, what: str) -> None:
        self._notes[line, f"{self.path.name}:{line}: {printable(key)}: {printable(what)}"] = None

    def note_file(self, name: str, what: str) -> None:
        self._notes[_LAST, f"{printable(name)}: {printable(what)}"] = None

    def raise_if_any(self) -> None:
        """Raises DefinitionError with every problem."""
        if self._found:
            count = f"{len(self._found)} problem" + ("s" if len(self._found) > 1 else "")
            raise DefinitionError(f"{count} in {self.path}", [text for _, text in self.found])


#: After the lines of any definition.
_LAST = 1 << 30

#: Longer parts of a message are cut: a definition may hold anything.
SHOWN = 240


def printable(text: str) -> str:
    """A text on one line, without what a terminal would act on, and not too long."""
    cut = text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that is spelled most like the word, if any is near."""
    if len(word) > 64:  # difflib's time grows with the square
        return None
    plain = {choice.lower().replace("-", "_"): choice for choice in choices}
    found = difflib.get_close_matches(word.lower().replace("-", "_"), plain, n=1, cutoff=0.6)
    return plain[found[0]] if found else None


def suggest(word: str, choices: Iterable[str]) -> str:
    """Advice for an unknown word: the nearest choice, or all of them."""
    near = nearest(word, known := sorted(choices))
    return f"did you mean '{near}'?" if near else listed(known)


def listed(choices: Iterable[str]) -> str:
    return "known are: " + (", ".join(sorted(choices)) or "none")


def suggest_and_list(word: str, choices: Iterable[str]) -> str:
    """The nearest choice, if any is near, and all of them."""
    near = nearest(word, known := sorted(choices))
    return (f"did you mean '{near}'? " if near else "") + listed(known)
