# SPDX-License-Identifier: MIT
"""The artifact's folder: its merged definition with every check done, and where its image is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from genpack import checks, definition, lock, merge, overlay_source, portage
from genpack.errors import GenpackError, TrustError, UsageError
from genpack.log import Log
from genpack.model import Definition
from genpack.settings import Settings

#: The folders that are inputs of a phase.
FOLDERS = (*portage.FOLDERS, "overlay", "files")


def load(settings: Settings, log: Log, overlay: Path | None) -> Definition:
    """The merged definition, with every check done. Raises UsageError (DefinitionError for all problems together)."""
    path = definition.find(settings.directory)
    source, problems = definition.read(path)
    checks.everything(source, problems, settings.directory, settings.arch, overlay, settings.variant)
    for _, note in problems.notes:
        log.note(note)
    problems.raise_if_any()
    chosen = checks.variant(source, settings.variant)
    merged = merge.merge(source, settings.arch.name, chosen, settings.directory.name)
    if not any(layer.name for layer in merge.layers(source, settings.arch.name, chosen)):
        log.warning(f"{path.name} gives no name: taking the folder's, '{checks.name(path, settings.directory)}'")
    if settings.compression:
        merged = replace(merged, compression=settings.compression)
    own = merged.independent_binpkgs or settings.independent_binpkgs
    return replace(merged, devel=merged.devel or settings.devel, independent_binpkgs=own)


def check(settings: Settings, log: Log) -> Definition:
    """`genpack check`: every check that needs no mirror, and nothing else. The merged definition."""
    pins = lock.read(settings.directory)
    try:
        overlay: Path | None = overlay_source.locate(settings, log, pins, offline=True).folder
    except GenpackError as error:
        wrong = isinstance(error, UsageError | TrustError)
        if wrong and (settings.overlay_override is not None or settings.overlay is not None):
            raise
        overlay = None
        log.note("genpack-overlay is not at hand: the profile is not checked")
    return load(settings, log, overlay)


def image_path(settings: Settings, merged: Definition) -> Path:
    """Where the image of a definition is, or will be."""
    return (settings.output_dir or settings.directory) / merged.outfile
