# SPDX-License-Identifier: MIT
"""What the commands print: tables for people, JSON for programs (described in genpack-artifacts(1))."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from genpack_artifacts import log
from genpack_artifacts.artifacts import Artifact
from genpack_artifacts.check import Problem
from genpack_artifacts.matrix import Entry
from genpack_artifacts.stencils import Plan, Stencil


def document(**fields: Any) -> str:
    """JSON text of an object with its version."""
    return json.dumps({"version": 1, **fields}, default=str, indent=2, ensure_ascii=False)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns; the last one is as long as it is."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    return "\n".join("  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[-1]]) for row in rows)


def artifacts_json(artifacts: Sequence[Artifact]) -> str:
    """The list of artifacts."""
    return document(artifacts=[asdict(artifact) for artifact in artifacts])


def artifacts_table(artifacts: Sequence[Artifact]) -> str:
    """The list of artifacts."""
    rows = [("NAME", "PROFILE", "ARCHITECTURES", "VARIANTS", "PURPOSE")]
    rows += [
        (a.name, a.profile or "-", ",".join(a.architectures), ",".join(a.variants) or "-", a.purpose) for a in artifacts
    ]
    return table(rows)


def stencils_json(themes: Sequence[Stencil]) -> str:
    """The list of stencils."""
    return document(stencils=[asdict(theme) for theme in themes])


def stencils_table(themes: Sequence[Stencil]) -> str:
    """The list of stencils."""
    return table([("NAME", "PURPOSE"), *((theme.name, theme.purpose) for theme in themes)])


def matrix_json(entries: Sequence[Entry]) -> str:
    """The build matrix; `include` is what CI engines call such a list."""
    return document(include=[asdict(entry) for entry in entries])


def matrix_table(entries: Sequence[Entry]) -> str:
    """The build matrix."""
    rows = [("ARTIFACT", "VARIANT", "ARCHITECTURE")]
    return table(rows + [(entry.artifact, entry.variant or "-", entry.arch) for entry in entries])


def problems_json(found: Mapping[Path, Sequence[Problem]]) -> str:
    """What is wrong with each artifact."""
    rows = [{"name": f.name, "path": f, "problems": [asdict(p) for p in problems]} for f, problems in found.items()]
    return document(artifacts=rows)


def plan_json(todo: Plan, *, written: bool) -> str:
    """What a stencil adds to an artifact, and what contradicts it."""
    return document(
        stencil=todo.stencil.name,
        artifact=todo.artifact,
        definition=todo.added,
        files=todo.copies,
        conflicts=[asdict(conflict) for conflict in todo.conflicts],
        written=written,
    )


def plan_text(todo: Plan, *, dry_run: bool) -> None:
    """The same for people: what is added on stdout, conflicts as errors."""
    for conflict in todo.conflicts:
        log.error(
            f"{conflict.where}: the artifact has {conflict.there}, the stencil {todo.stencil.name}:\n{conflict.new}"
        )
    if todo.conflicts:
        log.error(
            "nothing was written", f"change the artifact or leave the stencil out; then apply {todo.stencil.name} again"
        )
        return
    if not todo.added and not todo.copies:
        print(f"{todo.artifact}: has all of {todo.stencil.name} already")
        return
    does = "would add" if dry_run else "added"
    for line in todo.added:
        print(f"{todo.definition}: {does} {line}")
    for relative in todo.copies:
        print(f"{todo.artifact / relative}: {does}")
