# SPDX-License-Identifier: MIT
"""The build matrix: what has to be built to have every artifact in every variant for every architecture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from genpack_artifacts.artifacts import Artifact


@dataclass(frozen=True)
class Entry:
    """One image. `variant`: empty for the artifact itself (CI engines have no null in a matrix)."""

    artifact: str
    path: Path
    variant: str
    arch: str


def matrix(chosen: Sequence[Artifact], arches: Sequence[str]) -> list[Entry]:
    """The entries of artifacts in their order; of `arches` only, if any are given."""
    return [
        Entry(artifact.name, artifact.path, variant, arch)
        for artifact in chosen
        for variant in ([] if artifact.default_variant else [""]) + list(artifact.variants)
        for arch in artifact.architectures
        if not arches or arch in arches
    ]
