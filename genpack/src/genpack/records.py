# SPDX-License-Identifier: MIT
"""What lies beside an image: its SBOM, NAME-ARCH.manifest.json, perhaps a bootable NAME-ARCH.img, and SHA256SUMS."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from genpack import __version__, files, hashing
from genpack.inputs import Input, Inputs
from genpack.model import Definition
from genpack.plan import PhasePlan

MANIFEST_VERSION = 1


@dataclass(frozen=True)
class Made:
    """A finished image. `compression`: ALGORITHM or ALGORITHM:LEVEL; `content`: bytes of all its files, uncompressed;
    `commit`: the snapshot's commit; `epoch`: its time, seconds."""

    path: Path
    sha256: str
    compression: str
    packages: int
    files: int
    content: int
    commit: str
    epoch: int


def package_count(upper: Path) -> int:
    """Packages listed in /.genpack/packages: lines that are neither empty nor comments."""
    listed = upper / ".genpack/packages"
    if not listed.is_file():
        return 0
    return sum(1 for line in listed.read_text().splitlines() if line.strip() and not line.startswith("#"))


def _input(source: Input) -> dict[str, object]:
    return {"path": source.name, "size": source.size, "sha256": source.sha256}


def manifest(
    image: Made,
    definition: Definition,
    inputs: Inputs,
    overlay_hash: str,
    plans: Mapping[str, PhasePlan],
    beside: Mapping[Path, str],
) -> dict[str, object]:
    """The manifest's content: nothing in it depends on when or where the image was built. `beside`: the other files
    made with it, and their SHA-256."""
    return {
        "version": MANIFEST_VERSION,
        "genpack": __version__,
        "name": definition.name,
        "arch": definition.arch,
        "variant": definition.variant,
        "profile": definition.profile,
        "devel": definition.devel,
        "image": {
            "file": image.path.name,
            "size": image.path.stat().st_size,
            "sha256": image.sha256,
            "compression": image.compression,
            "packages": image.packages,
            "files": image.files,
            "content": image.content,
            "time": image.epoch,
        },
        "beside": [
            {"file": path.name, "size": path.stat().st_size, "sha256": digest}
            for path, digest in sorted(beside.items())
        ],
        "inputs": {
            "stage3": _input(inputs.stage3),
            "snapshot": {**_input(inputs.snapshot), "commit": image.commit, "time": image.epoch},
            "overlay": {"sha256": overlay_hash},
        },
        "keys": {name: phase.key for name, phase in plans.items()},
    }


def manifest_path(image: Path) -> Path:
    """NAME-ARCH.squashfs -> NAME-ARCH.manifest.json."""
    return image.with_name(f"{image.name.removesuffix('.squashfs')}.manifest.json")


def load_manifest(image: Path) -> dict[str, object]:
    """The manifest beside an image; {} if there is none that can be read."""
    try:
        content = json.loads(manifest_path(image).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and content.get("version") == MANIFEST_VERSION else {}


def write(image: Path, image_sha256: str, content: Mapping[str, object], beside: Mapping[Path, str]) -> None:
    """Writes the manifest, and all files' lines in SHA256SUMS; lines of other files there stay."""
    path = manifest_path(image)
    files.write(path, json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n")
    sums = image.parent / "SHA256SUMS"
    with files.locked(image.parent):
        files.remove_left(sums)
        entries: dict[str, str] = {}
        for line in sums.read_text().splitlines() if sums.is_file() else ():
            found = re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line)
            if found and (image.parent / found[2]).is_file():
                entries[found[2]] = found[1]
        for file, digest in ((image, image_sha256), (path, hashing.of_file(path)["sha256"]), *beside.items()):
            entries[file.name] = digest
        files.write(sums, "".join(f"{digest}  {name}\n" for name, digest in sorted(entries.items())).encode())
