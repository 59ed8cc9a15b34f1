# SPDX-License-Identifier: MIT
"""Stencils: parts of an artifact that are laid into another one.

A stencil is a folder with a README.md, a `genpack.json5` of a few keys, and the folders of an artifact. Applying one
only adds; what contradicts the artifact is shown, and then nothing is written.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from genpack_artifacts import artifacts, data, files, merge
from genpack_artifacts.errors import ArtifactsError, UsageError
from genpack_artifacts.names import nearest

#: The folders of an artifact that a stencil may bring.
FOLDERS = ("files", "kernel", "savedconfig", "patches", "env", "overlay")


@dataclass(frozen=True)
class Stencil:
    """A stencil: its theme, its folder and what it is for (the first paragraph of its README.md)."""

    name: str
    path: Path
    purpose: str


@dataclass(frozen=True)
class Plan:
    """What applying a stencil does: the definition's new text, lines that describe it, and the files to copy."""

    stencil: Stencil
    artifact: Path
    definition: Path
    text: str
    added: tuple[str, ...]
    copies: tuple[Path, ...]
    conflicts: tuple[merge.Conflict, ...]


def stencils() -> list[Stencil]:
    """All stencils of this package."""
    return [stencil(name) for name in data.names("stencils")]


def stencil(name: str) -> Stencil:
    """One of them. UsageError if there is none of that name, with the nearest one."""
    known = data.names("stencils")
    if name not in known:
        near = nearest(name, known)
        tip = (f"did you mean {near}? " if near else "") + f"there are: {', '.join(known)}"
        raise UsageError(f"there is no stencil {name}", tip=tip)
    folder = data.folder("stencils") / name
    return Stencil(name, folder, artifacts.parse_purpose(folder / "README.md"))


def plan(theme: Stencil, artifact: Path) -> Plan:
    """What applying `theme` to an artifact's folder does. Nothing is written."""
    definition = artifacts.definition_of(artifact)
    if definition is None:
        raise UsageError(f"{artifact}: no {artifacts.DEFINITIONS[0]}", tip="give the folder of an artifact")
    part = artifacts.parse_definition(theme.path / artifacts.DEFINITIONS[0])
    if unknown := [key for key in part if key not in merge.KEYS]:
        raise ArtifactsError(f"stencil {theme.name}: a stencil can't hold the key {unknown[0]}")
    target = artifacts.parse_definition(definition)
    # As bytes: line ends stay as they are.
    merged = merge.merge(definition.read_bytes().decode("utf-8"), target, part, f"ref: {theme.name}")
    copies: list[Path] = []
    conflicts = list(merged.conflicts)
    for name in FOLDERS:
        for path in files.tree(theme.path / name):
            relative = Path(name) / path
            source, there = theme.path / relative, artifact / relative
            if not there.exists() and not there.is_symlink():
                copies.append(relative)
            elif there.is_dir() or files.content(source) != files.content(there):
                conflicts.append(_different(relative, source, there))
    return Plan(theme, artifact, definition, merged.text, merged.added, tuple(copies), tuple(conflicts))


def _different(relative: Path, source: Path, there: Path) -> merge.Conflict:
    """Two files of one name as a conflict: for text the lines that differ."""
    if there.is_dir():
        return merge.Conflict(str(relative), "a folder", "a file")
    (old_kind, old), (new_kind, new) = files.content(there), files.content(source)
    if old_kind != new_kind:
        return merge.Conflict(str(relative), f"a {old_kind}", f"a {new_kind}")
    lines = difflib.unified_diff(
        old.decode(errors="replace").splitlines(),
        new.decode(errors="replace").splitlines(),
        "there",
        "new",
        lineterm="",
    )
    return merge.Conflict(str(relative), "a file with other content", "\n".join(lines))


def apply(todo: Plan) -> None:
    """Does what a plan says. The definition comes last: with it, the stencil is there as a whole."""
    assert not todo.conflicts
    for relative in todo.copies:
        files.copy(todo.stencil.path / relative, todo.artifact / relative)
    if todo.added:
        files.write(todo.definition, todo.text.encode(), mode=todo.definition.stat().st_mode & 0o7777)
