# SPDX-License-Identifier: MIT
"""What an ebuild says of itself, read as text: the plain assignments that this repository's ebuilds keep to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

EAPI = "8"
MAX_DESCRIPTION = 80  # characters, as pkgcheck has it
ASSIGNMENT = re.compile(r'^(?P<name>[A-Z_]+)\+?="(?P<value>[^"]*)"$', re.MULTILINE)


@dataclass(frozen=True)
class Ebuild:
    """Variables of an ebuild as they are written, and what follows from them."""

    path: Path
    variables: dict[str, str]

    @property
    def flags(self) -> list[str]:
        """IUSE without defaults."""
        return [flag.lstrip("+-") for flag in self.variables.get("IUSE", "").split()]

    @property
    def archives(self) -> list[str]:
        """File names of SRC_URI, with PN and PV put in; `URI -> NAME` has the name that it is saved as."""
        name, version = _name_version(self.path)
        text = self.variables.get("SRC_URI", "")
        for variable, value in (("${PN//-/_}", name.replace("-", "_")), ("${PN}", name), ("${PV}", version),
                                ("${P}", f"{name}-{version}")):
            text = text.replace(variable, value)
        found = re.findall(r"\S*/(\S+)(?:\s+->\s+(\S+))?", text)
        return [saved or name for name, saved in found]


def read(path: Path) -> Ebuild:
    """Read an ebuild. Of several assignments to a variable the first counts."""
    variables: dict[str, str] = {}
    for match in ASSIGNMENT.finditer(path.read_text(encoding="utf-8")):
        variables.setdefault(match["name"], match["value"])
    return Ebuild(path, variables)


def problems(path: Path) -> Iterator[str]:
    """What is wrong with an ebuild, a line each."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    if not lines or lines[0] != f"EAPI={EAPI}":
        yield f"does not begin with EAPI={EAPI}"
    if path.parent.name != _name_version(path)[0]:
        yield f"does not belong into the folder {path.parent.name}"
    variables = read(path).variables
    for name in ("DESCRIPTION", "HOMEPAGE", "LICENSE", "SLOT", "KEYWORDS"):
        if not variables.get(name):
            yield f"has no {name}"
    keywords = variables.get("KEYWORDS", "").split()
    if keywords != sorted(keywords, key=lambda k: k.lstrip("~-")):
        yield f"has unsorted KEYWORDS: {' '.join(keywords)}"
    if len(variables.get("DESCRIPTION", "")) > MAX_DESCRIPTION:
        yield f"has a DESCRIPTION of more than {MAX_DESCRIPTION} characters"
    if path.read_bytes().count(b"\r"):
        yield "has line ends of another system"


def _name_version(path: Path) -> tuple[str, str]:
    match = re.fullmatch(r"(.+?)-(\d[^-]*)(-r\d+)?", path.stem)
    return (match[1], match[2]) if match else (path.stem, "")
