# SPDX-License-Identifier: MIT
"""JSON5 text to a tree of nodes that know their lines (https://spec.json5.org/).

The libraries on PyPI give values without positions; messages about a definition need the line of every key and
value, and of keys given twice. The tests compare this parser with the `json5` library.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass


class Json5Error(Exception):
    """A syntax error. `line` and `column` count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


@dataclass(frozen=True)
class Member:
    """One `key: value` of an object; `line` is the key's."""

    key: str
    line: int
    value: Node


@dataclass(frozen=True)
class Node:
    """A value and the line where it begins. Objects keep every member in order, repeated keys included."""

    value: str | int | float | bool | tuple[Node, ...] | tuple[Member, ...] | None
    line: int
    kind: str  # "object", "list", "string", "number", "boolean" or "null"

    @property
    def members(self) -> tuple[Member, ...]:
        """The members of an object."""
        assert self.kind == "object"
        return self.value  # type: ignore[return-value]  # kind says which

    @property
    def items(self) -> tuple[Node, ...]:
        """The items of a list."""
        assert self.kind == "list"
        return self.value  # type: ignore[return-value]  # kind says which

    def plain(self) -> object:
        """The value as dict, list, str, int, float, bool or None; of a repeated key the last."""
        if self.kind == "object":
            return {m.key: m.value.plain() for m in self.members}
        if self.kind == "list":
            return [n.plain() for n in self.items]
        return self.value


def parse(text: str) -> Node:
    """The tree of a JSON5 text. Raises Json5Error."""
    parser = _Parser(text)
    parser.skip()
    node = parser.value(0)
    parser.skip()
    if parser.at < len(text):
        raise parser.error(f"unexpected {parser.seen()} after the end of the value")
    return node


# White space and line ends of JSON5 (ECMAScript 5.1, 7.2 and 7.3), then the two comment forms.
_SPACE = re.compile(
    r"(?:[\t\v\f \u00a0\ufeff\n\r\u2028\u2029\u1680\u2000-\u200a\u202f\u205f\u3000]+"
    r"|//[^\n\r\u2028\u2029]*|/\*.*?\*/)*",
    re.DOTALL,
)
_LINE_END = re.compile(r"\r\n|[\n\r\u2028\u2029]")
# Names: of what is not ASCII, all but white space is taken; a strange name is then an unknown key.
_NAME = re.compile(
    r"(?:[A-Za-z_$]|[^\x00-\x7f\s\ufeff]|\\u[0-9a-fA-F]{4})(?:[A-Za-z0-9_$]|[^\x00-\x7f\s\ufeff]|\\u[0-9a-fA-F]{4})*"
)
_NUMBER = re.compile(
    r"[+-]?(?:(?P<hex>0[xX][0-9a-fA-F]+)|(?P<word>Infinity|NaN)"
    r"|(?:(?:0|[1-9][0-9]*)(?P<frac>\.[0-9]*)?|(?P<lead>\.[0-9]+))(?P<exp>[eE][+-]?[0-9]+)?)"
)
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "0": "\0"}
_WORDS = {"null": None, "true": True, "false": False}
#: What editors count as lines: not U+2028 and U+2029.
_EDITOR_LINE_END = re.compile(r"\r\n|[\n\r]")
_PLAIN = {quote: re.compile(rf"[^{quote}\\\n\r]+") for quote in "\"'"}
MAX_DEPTH = 100
#: Characters of a number: Python refuses to convert decimal numbers of more than 4300 digits.
MAX_NUMBER = 400


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line_starts = [0, *(m.end() for m in _EDITOR_LINE_END.finditer(text))]

    def line(self, at: int | None = None) -> int:
        """Line of a position (default: here), from 1."""
        return bisect_right(self.line_starts, self.at if at is None else at)

    def error(self, message: str, at: int | None = None) -> Json5Error:
        at = self.at if at is None else at
        line = self.line(at)
        return Json5Error(message, line, at - self.line_starts[line - 1] + 1)

    def seen(self) -> str:
        """What stands here, for a message."""
        if self.at >= len(self.text):
            return "end of file"
        found = _NAME.match(self.text, self.at)
        return repr(found.group()[:30] if found else self.text[self.at])

    def skip(self) -> None:
        """Go past white space and comments."""
        found = _SPACE.match(self.text, self.at)
        assert found is not None
        self.at = found.end()
        if self.text.startswith("/*", self.at):
            raise self.error("comment '/*' without its end '*/'")

    def value(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.error(f"nested more than {MAX_DEPTH} deep")
        line, char = self.line(), self.text[self.at : self.at + 1]
        if char == "{":
            return Node(self.members(depth), line, "object")
        if char == "[":
            return Node(self.elements(depth), line, "list")
        if char in {'"', "'"}:
            return Node(self.string(), line, "string")
        number = _NUMBER.match(self.text, self.at)
        if number and number.group().lstrip("+-"):
            return Node(self.number(number), line, "number")
        word = _NAME.match(self.text, self.at)
        if word and word.group() in _WORDS:
            self.at = word.end()
            constant = _WORDS[word.group()]
            return Node(constant, line, "null" if constant is None else "boolean")
        if word:
            raise self.error(f"the word {word.group()!r} is no value; put a string in quotes")
        raise self.error(f"a value must come here, not {self.seen()}")

    def number(self, found: re.Match[str]) -> int | float:
        after = found.end()
        if _NAME.match(self.text, after) or self.text[after : after + 1].isdigit():
            raise self.error("malformed number")
        if after - found.start() > MAX_NUMBER:
            raise self.error(f"number of more than {MAX_NUMBER} characters")
        self.at = after
        text = found.group()
        sign = -1 if text[0] == "-" else 1
        if found["hex"]:
            return sign * int(found["hex"], 16)
        if found["word"]:
            return sign * float(found["word"].lower().replace("infinity", "inf"))
        if found["frac"] is None and found["lead"] is None and found["exp"] is None:
            return int(text)
        return float(text)

    def string(self) -> str:
        start, quote = self.at, self.text[self.at]
        self.at += 1
        parts: list[str] = []
        while True:
            found = _PLAIN[quote].match(self.text, self.at)
            if found:
                parts.append(found.group())
                self.at = found.end()
            char = self.text[self.at : self.at + 1]
            if char == quote:
                self.at += 1
                return "".join(parts)
            if char != "\\":
                raise self.error(f"string without its closing {quote}", start)
            parts.append(self.escape())

    def escape(self) -> str:
        """The text of an escape sequence; the position is at its backslash."""
        char = self.text[self.at + 1 : self.at + 2]
        line_end = _LINE_END.match(self.text, self.at + 1)
        if line_end:
            self.at = line_end.end()
            return ""
        if char in {"x", "u"}:
            digits = self.text[self.at + 2 : self.at + (4 if char == "x" else 6)]
            if not re.fullmatch(r"[0-9a-fA-F]{2}" if char == "x" else r"[0-9a-fA-F]{4}", digits):
                raise self.error(f"malformed escape '\\{char}{digits}'")
            self.at += 2 + len(digits)
            code = chr(int(digits, 16))
            # A pair of surrogates is one character.
            if "\ud800" <= code <= "\udbff" and self.text.startswith("\\u", self.at):
                low = self.text[self.at + 2 : self.at + 6]
                if re.fullmatch(r"[dD][c-fC-F][0-9a-fA-F]{2}", low):
                    self.at += 6
                    return (code + chr(int(low, 16))).encode("utf-16", "surrogatepass").decode("utf-16")
            return code
        if not char or char in "123456789" or (char == "0" and self.text[self.at + 2 : self.at + 3].isdigit()):
            raise self.error(f"malformed escape '\\{char}'")
        self.at += 2
        return _ESCAPES.get(char, char)

    def elements(self, depth: int) -> tuple[Node, ...]:
        items: list[Node] = []
        start = self.at
        while self.more(start, "]", first=not items):
            items.append(self.value(depth + 1))
        return tuple(items)

    def members(self, depth: int) -> tuple[Member, ...]:
        members: list[Member] = []
        start = self.at
        while self.more(start, "}", first=not members):
            line = self.line()
            key = self.key()
            self.skip()
            if not self.text.startswith(":", self.at):
                raise self.error(f"':' must follow the key {key!r}, not {self.seen()}")
            self.at += 1
            self.skip()
            members.append(Member(key, line, self.value(depth + 1)))
        return tuple(members)

    def more(self, start: int, close: str, *, first: bool) -> bool:
        """Go past `{`, `[` or a comma to the next entry; False past the closing bracket."""
        if first:
            self.at += 1
        else:
            self.skip()
            if self.text.startswith(",", self.at):
                self.at += 1
            elif not self.text.startswith(close, self.at):
                if self.at >= len(self.text):
                    raise self.error(f"the end of the file comes before the closing '{close}'", start)
                raise self.error(f"',' or '{close}' must come here, not {self.seen()}")
        self.skip()
        if self.at >= len(self.text):
            raise self.error(f"the end of the file comes before the closing '{close}'", start)
        if self.text[self.at] == close:
            self.at += 1
            return False
        return True

    def key(self) -> str:
        if self.text[self.at] in "\"'":
            return self.string()
        found = _NAME.match(self.text, self.at)
        if not found:
            raise self.error(f"a key must come here, not {self.seen()}")
        self.at = found.end()
        if self.text.startswith("-", self.at):
            raise self.error(f"the key {found.group()!r} is followed by '-'; put a key with '-' in quotes")
        return re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), found.group())
