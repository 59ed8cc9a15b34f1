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
    found: list[tuple[int, str]] = field(default_factory=list)
    notes: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, key: str, what: str, advice: str) -> None:
        """`genpack.json5:LINE: key.path: what is wrong; what to do`."""
        entry = (line, f"{self.path.name}:{line}: {key}: {what}; {advice}")
        if entry not in self.found:
            self.found.append(entry)

    def add_file(self, name: str, what: str, advice: str) -> None:
        """The same about another file of the artifact's folder, after those of the definition."""
        entry = (1 << 30, f"{name}: {what}; {advice}")
        if entry not in self.found:
            self.found.append(entry)

    def note(self, line: int, key: str, what: str) -> None:
        entry = (line, f"{self.path.name}:{line}: {key}: {what}")
        if entry not in self.notes:
            self.notes.append(entry)

    def raise_if_any(self) -> None:
        """Raises DefinitionError with every problem, in the order of the lines."""
        if self.found:
            count = f"{len(self.found)} problem" + ("s" if len(self.found) > 1 else "")
            raise DefinitionError(f"{count} in {self.path}", [text for _, text in sorted(self.found)])


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that is spelled most like the word, if any is near."""
    plain = {choice.lower().replace("-", "_"): choice for choice in choices}
    found = difflib.get_close_matches(word.lower().replace("-", "_"), plain, n=1, cutoff=0.6)
    return plain[found[0]] if found else None


def suggest(word: str, choices: Iterable[str]) -> str:
    """Advice for an unknown word: the nearest choice, or all of them."""
    known = sorted(choices)
    near = nearest(word, known)
    return f"did you mean '{near}'?" if near else "known are: " + (", ".join(known) or "none")
