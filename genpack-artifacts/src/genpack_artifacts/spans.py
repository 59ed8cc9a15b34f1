# SPDX-License-Identifier: MIT
"""Where the values of a JSON5 text lie in it, so that something can be put beside them without touching the rest.

Only for text that the `json5` library has read before: what is no JSON5 is not looked for here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<blank>[\s\ufeff]+|//[^\n\r\u2028\u2029]*|/\*.*?\*/)
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<mark>[{}\[\]:,])
    |(?P<word>[^\s\ufeff{}\[\]:,"'/]+)""",
    re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True)
class Span:
    """A value: text[start:end]. `members` of an object by key, `items` of a list; both are empty for anything else."""

    start: int
    end: int
    members: dict[str, Span]
    items: tuple[Span, ...]
    #: Of an object or a list with entries: whether a comma follows the last one.
    comma: bool

    @property
    def children(self) -> tuple[Span, ...]:
        """The values in it, in their order."""
        return self.items or tuple(self.members.values())


def spans(text: str) -> Span:
    """The spans of a whole text."""
    return _value(_Tokens(text))


class _Tokens:
    """The tokens of a text, blanks and comments left out, one in sight."""

    def __init__(self, text: str) -> None:
        self._rest = self._all(text)
        self.now = next(self._rest)

    @staticmethod
    def _all(text: str) -> Iterator[re.Match[str]]:
        at = 0
        while found := _TOKEN.match(text, at):
            at = found.end()
            if found.lastgroup != "blank":
                yield found

    def take(self) -> re.Match[str]:
        """The token in sight; the next one comes into sight."""
        found = self.now
        self.now = next(self._rest, found)
        return found


def _value(tokens: _Tokens) -> Span:
    first = tokens.take()
    if first.group() not in {"{", "["}:
        return Span(first.start(), first.end(), {}, (), comma=False)
    members: dict[str, Span] = {}
    items: list[Span] = []
    comma = False
    while tokens.now.group() not in {"}", "]"}:
        if tokens.now.group() == ",":
            comma = True
            tokens.take()
            continue
        comma = False
        if first.group() == "[":
            items.append(_value(tokens))
            continue
        key = _key(tokens.take())
        tokens.take()
        members[key] = _value(tokens)
    return Span(first.start(), tokens.take().end(), members, tuple(items), comma=comma)


def _key(token: re.Match[str]) -> str:
    """A key as the library gives it."""
    if token.lastgroup == "word":
        return token.group()
    import json5

    key: str = json5.loads(token.group())
    return key
