# SPDX-License-Identifier: MIT
"""What lies beside an image: NAME-ARCH.manifest.json and SHA256SUMS."""

from __future__ import annotations

import json
import re
from pathlib import Path

from genpack import __version__, files, hashing
from genpack.inputs import Input, Inputs
from genpack.model import Definition
from genpack.plan import PhasePlan

MANIFEST_VERSION = 1


def package_count(upper: Path) -> int:
    """Packages listed in /.genpack/packages: lines that are neither empty nor comments."""
    listed = upper / ".genpack/packages"
    if not listed.is_file():
        return 0
    return sum(1 for line in listed.read_text().splitlines() if line.strip() and not line.startswith("#"))


def _input(source: Input) -> dict[str, object]:
    return {"path": source.name, "size": source.size, "sha256": source.sha256}


def manifest(
    image: Path,
    image_sha256: str,
    definition: Definition,
    inputs: Inputs,
    overlay_hash: str,
    plans: dict[str, PhasePlan],
    compression: str,
    upper: Path,
    epoch: int,
) -> dict[str, object]:
    """The manifest's content: nothing in it depends on when or where the image was built."""
    return {
        "version": MANIFEST_VERSION,
        "genpack": __version__,
        "name": definition.name,
        "arch": definition.arch,
        "variant": definition.variant,
        "profile": definition.profile,
        "image": {
            "file": image.name,
            "size": image.stat().st_size,
            "sha256": image_sha256,
            "compression": compression,
            "packages": package_count(upper),
            "time": epoch,
        },
        "inputs": {
            "stage3": _input(inputs.stage3),
            "snapshot": _input(inputs.snapshot),
            "overlay": {"sha256": overlay_hash},
        },
        "keys": {name: phase.key for name, phase in plans.items()},
    }


def manifest_path(image: Path) -> Path:
    """NAME-ARCH.squashfs -> NAME-ARCH.manifest.json."""
    return image.with_name(f"{image.name.removesuffix('.squashfs')}.manifest.json")


def write(image: Path, image_sha256: str, content: dict[str, object]) -> None:
    """Writes the manifest, and both files' lines in SHA256SUMS; lines of other files there stay."""
    path = manifest_path(image)
    files.write(path, json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n")
    sums = image.parent / "SHA256SUMS"
    with files.locked(image.parent):
        entries: dict[str, str] = {}
        for line in sums.read_text().splitlines() if sums.is_file() else ():
            found = re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line)
            if found and (image.parent / found[2]).is_file():
                entries[found[2]] = found[1]
        for file, digest in ((image, image_sha256), (path, hashing.of_file(path)["sha256"])):
            entries[file.name] = digest
        files.write(sums, "".join(f"{digest}  {name}\n" for name, digest in sorted(entries.items())).encode())
