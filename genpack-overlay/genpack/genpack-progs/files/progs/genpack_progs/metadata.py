# SPDX-License-Identifier: MIT
"""The folder /.genpack of an image: which image this is and what it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import ProgsError

FOLDER = Path(".genpack")
TIMESTAMP = Path("var/db/repos/gentoo/metadata/timestamp.commit")


@dataclass(frozen=True)
class Package:
    """An installed package; an empty string where it says nothing."""

    name: str
    slot: str
    description: str
    use: str
    homepage: str
    license: str


def packages_text(packages: Iterable[Package], needed_by: Mapping[str, Iterable[str]]) -> str:
    """The text of /.genpack/packages: an entry a package, in the order of their names, each with an empty line."""
    entries = []
    for p in sorted(packages, key=lambda p: p.name):
        lines = [f"{p.name}[{p.slot}]"]
        for key, value in (
            ("NEEDED_BY", " ".join(sorted(needed_by.get(p.name, ())))),
            ("DESCRIPTION", p.description), ("USE", p.use), ("HOMEPAGE", p.homepage), ("LICENSE", p.license),
        ):
            if value:
                lines.append(f"# {key}: {' '.join(value.split())}")
        entries.append("\n".join(lines) + "\n\n")
    return "".join(entries)


def write(root: Path, environment: Mapping[str, str], packages: str) -> None:
    """Write /.genpack below `root`. `environment` has GENPACK_ARCH, ARTIFACT, PROFILE (empty: that of the architecture
    itself) and, if any, VARIANT.
    """
    folder = root / FOLDER
    folder.mkdir(mode=0o755, exist_ok=True)
    for name, variable in (("arch", "GENPACK_ARCH"), ("profile", "PROFILE"), ("artifact", "ARTIFACT")):
        if not environment.get(variable) and not (variable == "PROFILE" and variable in environment):
            raise ProgsError(f"the environment variable {variable} is not set, so /{FOLDER}/{name} can't be written")
        (folder / name).write_text(environment[variable], encoding="utf-8")
    if environment.get("VARIANT"):
        (folder / "variant").write_text(environment["VARIANT"], encoding="utf-8")
    else:
        (folder / "variant").unlink(missing_ok=True)
    try:
        (folder / "timestamp.commit").write_bytes((root / TIMESTAMP).read_bytes())
    except FileNotFoundError as e:
        raise ProgsError(f"/{TIMESTAMP} is missing: which snapshot of Gentoo's repository is this?") from e
    (folder / "packages").write_text(packages, encoding="utf-8")
