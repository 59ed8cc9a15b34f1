# SPDX-License-Identifier: MIT
"""Find the artifacts of a folder and read what a list of them shows.

The definition's keys are genpack's business (`genpack check`); here only the few that the list needs are read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genpack_artifacts.errors import UsageError
from genpack_artifacts.names import nearest

DEFINITIONS = ("genpack.json5", "genpack.json")
ARCHITECTURES = ("x86_64", "i686", "aarch64", "riscv64")


@dataclass(frozen=True)
class Artifact:
    """What the list says of one artifact.

    `purpose`: the first paragraph of its README.md as one line. `profile`: None is the root profile.
    `architectures`: genpack names, from the README's line `Architectures: ...`.
    """

    name: str
    path: Path
    purpose: str
    profile: str | None
    architectures: tuple[str, ...]
    variants: tuple[str, ...]
    default_variant: str | None = None


def definition_of(folder: Path) -> Path | None:
    """The definition file of an artifact folder, None if it is no artifact."""
    found = [folder / name for name in DEFINITIONS if (folder / name).is_file()]
    if len(found) > 1:
        raise UsageError(f"{folder}: has both {found[0].name} and {found[1].name}", tip="keep one of them")
    return found[0] if found else None


def folders(base: Path) -> list[Path]:
    """The folders in `base` that hold a definition, by name."""
    if not base.is_dir():
        raise UsageError(f"{base}: no such folder")
    return sorted(f for f in base.iterdir() if f.is_dir() and any((f / name).is_file() for name in DEFINITIONS))


def select(base: Path, names: Sequence[str]) -> list[Path]:
    """The artifact folders in `base` of these names, all if none is given. UsageError for a name that is none."""
    found = {folder.name: folder for folder in folders(base)}
    for name in names:
        if name not in found:
            near = nearest(name, found)
            tip = (f"did you mean {near}? " if near else "") + "genpack-artifacts list shows them all"
            raise UsageError(f"there is no artifact {name} in {base}", tip=tip)
    return [found[name] for name in dict.fromkeys(names)] or list(found.values())


def parse_definition(path: Path) -> dict[str, Any]:
    """The definition as a JSON object."""
    import json5

    try:
        parsed = json5.loads(path.read_text("utf-8"))
    except UnicodeDecodeError as e:
        raise UsageError(f"{path}: not UTF-8 text ({e.reason} at byte {e.start})") from e
    except ValueError as e:
        raise UsageError(f"{path}: not JSON5: {str(e).removeprefix('<string>:')}") from e
    if not isinstance(parsed, dict):
        raise UsageError(f"{path}: the definition must be an object, not a {type(parsed).__name__}")
    return parsed


def parse_purpose(path: Path) -> str:
    """The first paragraph of a README.md as one line."""
    if not path.is_file():
        raise UsageError(f"{path}: missing", tip="write what the image is for, and a line 'Architectures: x86_64'")
    paragraphs = [p for p in re.split(r"\n\s*\n", path.read_text("utf-8")) if p.strip()]
    prose = [p for p in paragraphs if not p.lstrip().startswith(("#", "Architectures:"))]
    if not prose:
        raise UsageError(f"{path}: no paragraph says what the image is for")
    return " ".join(prose[0].split())


def parse_readme(path: Path) -> tuple[str, tuple[str, ...]]:
    """(purpose, architectures) of an artifact's README.md."""
    purpose = parse_purpose(path)
    line = re.search(r"^Architectures:(.*)$", path.read_text("utf-8"), re.MULTILINE)
    names = tuple(re.findall(r"[\w-]+", line[1])) if line else ()
    bad = [n for n in names if n not in ARCHITECTURES]
    if bad or not names:
        what = f"unknown architecture {bad[0]}" if bad else "no line 'Architectures: ...'"
        raise UsageError(f"{path}: {what}", tip=f"the architectures are {', '.join(ARCHITECTURES)}")
    return purpose, names


def read(folder: Path) -> Artifact:
    """Read one artifact folder. UsageError names the file and what is wrong with it."""
    path = definition_of(folder)
    if path is None:
        raise UsageError(f"{folder}: no {DEFINITIONS[0]}")
    definition = parse_definition(path)
    name, profile = definition.get("name", folder.name), definition.get("profile")
    variants = definition.get("variants", {})
    if not isinstance(name, str):
        raise UsageError(f"{path}: name: must be a string")
    if not isinstance(profile, str | None):
        raise UsageError(f"{path}: profile: must be a string or null")
    if not isinstance(variants, dict):
        raise UsageError(f"{path}: variants: must be an object")
    default = definition.get("default_variant")
    if not isinstance(default, str | None):
        raise UsageError(f"{path}: default_variant: must be a string")
    purpose, architectures = parse_readme(folder / "README.md")
    return Artifact(name, folder, purpose, profile, architectures, tuple(variants), default)
