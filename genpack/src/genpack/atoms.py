# SPDX-License-Identifier: MIT
"""The syntax of Portage's atoms as users write them (PMS 8.3, portage(5) "DEPEND atoms")."""

from __future__ import annotations

import re

_CATEGORY = r"[A-Za-z0-9_][A-Za-z0-9+_.-]*"
_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9+_]|-(?![0-9]+(?:\.[0-9]+)*[a-z]?(?:_[a-z]+[0-9]*)*(?:-r[0-9]+)?(?:[*:\[]|$)))*"
_VERSION = r"[0-9]+(?:\.[0-9]+)*[a-z]?(?:_(?:alpha|beta|pre|rc|p)[0-9]*)*(?:-r[0-9]+)?"
_SLOT = r"(?::(?:\*|=|[A-Za-z0-9_][A-Za-z0-9+_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9+_.-]*)?=?))?"
_REPO = r"(?:::[A-Za-z0-9_][A-Za-z0-9_-]*)?"
_FLAG = r"[!-]?[A-Za-z0-9][A-Za-z0-9+_@-]*(?:\([+-]\))?[?=]?"
_USE = rf"(?:\[{_FLAG}(?:,{_FLAG})*\])?"
_REST = _SLOT + _REPO + _USE

_PLAIN = re.compile(rf"{_CATEGORY}/{_NAME}{_REST}")
_VERSIONED = re.compile(rf"(?:(?:>=|<=|>|<|~){_CATEGORY}/{_NAME}-{_VERSION}|={_CATEGORY}/{_NAME}-{_VERSION}\*?){_REST}")
_WILD = re.compile(rf"=?[A-Za-z0-9+_.*-]+/[A-Za-z0-9+_.*-]+{_SLOT}{_REPO}")


def is_atom(text: str) -> bool:
    """True for one package atom: `cat/name`, `>=cat/name-1.2:slot::repo[use]`; neither blockers nor wildcards."""
    return bool(_PLAIN.fullmatch(text) or _VERSIONED.fullmatch(text))


def is_map_atom(text: str) -> bool:
    """The same, or a wildcard as package.use and its kin take (`*/*`, `dev-lang/*`)."""
    return is_atom(text) or ("*" in text and "**" not in text and bool(_WILD.fullmatch(text)))


def advice(text: str) -> str:
    """What to do about a malformed atom."""
    if "/" not in text:
        return "write category/package"
    if re.match(r"[<>=~]", text):
        return "an operator needs a version: '>=category/package-1.2'"
    if _PLAIN.fullmatch(re.sub(r"-[0-9][^:\[]*", "", text)):
        return "a version needs an operator: '=category/package-1.2'"
    return "write category/package, or >=category/package-1.2:slot::repository"
