# SPDX-License-Identifier: MIT
"""The syntax of Portage's atoms as users write them (PMS 8.3, portage(5) "DEPEND atoms")."""

from __future__ import annotations

import re

_CATEGORY = r"[A-Za-z0-9_][A-Za-z0-9+_.-]*"
_VERSION = r"[0-9]+(?:\.[0-9]+)*[a-z]?(?:_(?:alpha|beta|pre|rc|p)[0-9]*)*(?:-r[0-9]+)?"
# A name does not end in what looks like a version (PMS 3.1.2), not even in front of one.
_NAME = rf"[A-Za-z0-9_](?:[A-Za-z0-9+_]|-(?!{_VERSION}(?:-{_VERSION})?\*?(?:[:\[]|$)))*"
_SLOT = r"(?::(?:\*|=|[A-Za-z0-9_][A-Za-z0-9+_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9+_.-]*)?=?))?"
_REPO = r"(?:::[A-Za-z0-9_][A-Za-z0-9_-]*)?"
_FLAG = r"[!-]?[A-Za-z0-9][A-Za-z0-9+_@-]*(?:\([+-]\))?[?=]?"
_USE = rf"(?:\[{_FLAG}(?:,{_FLAG})*\])?"
_REST = _SLOT + _REPO + _USE

_PLAIN = re.compile(rf"{_CATEGORY}/{_NAME}{_REST}")
_VERSIONED = re.compile(rf"(?:(?:>=|<=|>|<|~){_CATEGORY}/{_NAME}-{_VERSION}|={_CATEGORY}/{_NAME}-{_VERSION}\*?){_REST}")
_WILD_PART = r"[A-Za-z0-9_+*][A-Za-z0-9_+*-]*"
_WILD = re.compile(
    rf"(?:[A-Za-z0-9_+*][A-Za-z0-9_+.*-]*/{_WILD_PART}|=[A-Za-z0-9_+*][A-Za-z0-9_+.*-]*/{_WILD_PART}-\*[A-Za-z0-9_]+\*)"
    + _SLOT
    + _REPO
)

#: The same as patterns of a whole text, in the syntax that Python and JSON Schema share.
ATOM = f"(?:{_PLAIN.pattern}|{_VERSIONED.pattern})"
MAP_ATOM = rf"(?:{ATOM}|(?=[^:]*\*)(?!.*\*\*){_WILD.pattern})"
_ATOM, _MAP_ATOM = re.compile(ATOM), re.compile(MAP_ATOM)

#: What emerge takes to leave out of binary packages: a name, perhaps with a slot.
EXCLUDE = rf"{_CATEGORY}/{_NAME}(?::[A-Za-z0-9_][A-Za-z0-9+_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9+_.-]*)?)?"
_EXCLUDE = re.compile(EXCLUDE)
_PACKAGE = re.compile(rf"(?:[<>]=?|[=~])?({_CATEGORY}/.+?)(?:-{_VERSION}\*?)?(?:[:\[].*)?")

#: Longer texts are no atoms (and would keep the patterns busy).
MAX_LENGTH = 255


def is_atom(text: str) -> bool:
    """True for one package atom: `cat/name`, `>=cat/name-1.2:slot::repo[use]`; neither blockers nor wildcards."""
    return len(text) <= MAX_LENGTH and bool(_ATOM.fullmatch(text))


def is_map_atom(text: str) -> bool:
    """The same, or a wildcard as package.use and its kin take (`*/*`, `dev-lang/*`)."""
    return len(text) <= MAX_LENGTH and bool(_MAP_ATOM.fullmatch(text))


def is_exclude(text: str) -> bool:
    """True for an atom without operator, version, repository and USE flags."""
    return len(text) <= MAX_LENGTH and bool(_EXCLUDE.fullmatch(text))


def package(text: str) -> str:
    """category/name of an atom, or of category/name with a version."""
    found = _PACKAGE.fullmatch(text)
    return found[1] if found else text


def advice(text: str) -> str:
    """What to do about a malformed atom."""
    if len(text) > MAX_LENGTH:
        return f"an atom has at most {MAX_LENGTH} characters"
    if "/" not in text:
        return "write category/package"
    if re.match(r"[<>=~]", text):
        return "an operator needs a version: '>=category/package-1.2'"
    if _PLAIN.fullmatch(re.sub(r"-[0-9][^:\[]*", "", text)):
        return "a version needs an operator: '=category/package-1.2'"
    return "write category/package, or >=category/package-1.2:slot::repository"
