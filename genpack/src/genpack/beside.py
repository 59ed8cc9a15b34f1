# SPDX-License-Identifier: MIT
"""The last step of the pack phase: everything that is made beside the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from genpack import files, hashing, records, sbom, superfloppy, usage
from genpack.image import parse
from genpack.inputs import Inputs
from genpack.model import Definition
from genpack.pack import Pack, commit_of
from genpack.plan import PhasePlan
from genpack.steps import Steps
from genpack.usage import Usage
from genpack.vardb import Database
from genpack.workdir import WorkDir


def missing(image: Path, work: WorkDir) -> Path | None:
    """A file that belongs to an image, and is not there."""
    expected = [sbom.path(image), records.manifest_path(image), image.with_name("SHA256SUMS"), work.usage_file]
    if superfloppy.wanted(work.upper, image):
        expected.append(superfloppy.path(image))
    return next((path for path in expected if not path.exists()), None)


def make(
    steps: Steps,
    packed: Pack,
    left_out: Sequence[str],
    work: WorkDir,
    definition: Definition,
    inputs: Inputs,
    overlay_hash: str,
    plans: Mapping[str, PhasePlan],
) -> None:
    """SBOM, bootable image, manifest and sums beside the image; the sizes of its files into the work folder."""
    image = packed.output
    with steps.step("records"):
        sha256 = hashing.of_file(image)["sha256"]
        database = Database(work.lower)
        listing = work.upper / ".genpack/packages"
        listed = parse(listing.read_text(), str(work.upper)) if listing.is_file() else []
        about = sbom.Image(image.name, definition.name, definition.variant, definition.arch, sha256, packed.epoch)
        files.write(sbom.path(image), sbom.encode(sbom.document(about, listed, database)))
        found = usage.regular_files(work.upper, left_out)
        used = Usage(sha256, usage.owned(found, [package.name for package in listed], database))
        usage.save(work.usage_file, used)
        beside = {sbom.path(image): hashing.of_file(sbom.path(image))["sha256"]}
    floppy = superfloppy.path(image)
    for path in (floppy, sbom.path(image), records.manifest_path(image), work.usage_file):
        files.remove_left(path)
    floppy.unlink(missing_ok=True)
    if superfloppy.wanted(work.upper, image):
        with steps.step("bootable FAT image"):
            superfloppy.make(steps, work.upper, image, sha256, packed.epoch)
            beside[floppy] = hashing.of_file(floppy)["sha256"]
    made = records.Made(
        image, sha256, packed.described(), len(listed), len(found), used.total, commit_of(work.lower), packed.epoch
    )
    content = records.manifest(made, definition, inputs, overlay_hash, plans, beside)
    records.write(image, sha256, content, beside)
