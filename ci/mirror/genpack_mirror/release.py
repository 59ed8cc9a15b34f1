# SPDX-License-Identifier: MIT
"""The ebuilds of the suite's own packages, brought to the versions that are released: `ci/release-ebuilds`.

A release of a package is its sdist. Its ebuild gets the version's name, and a Manifest with the sdist's hashes, so that
what a user's Portage fetches is what was released.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from .ebuilds import manifest
from .process import MirrorError
from .suite import SUITE, build_sdist, make_venv

#: What both a Python package and an ebuild can have as version.
VERSION = re.compile(r"[0-9]+(\.[0-9]+)*")


def version(source: Path) -> str:
    """The version in a package's pyproject.toml. MirrorError if an ebuild can't have it."""
    text: str = tomllib.loads((source / "pyproject.toml").read_text())["project"]["version"]
    if not VERSION.fullmatch(text):
        raise MirrorError(f"{source.name}: an ebuild can't have the version {text}: release one of numbers and dots")
    return text


def bump(repo: Path, atom: str, python: Path, dist: Path, work: Path) -> Path:
    """Makes the sdist of a package in ``dist`` and its ebuild for that version; the ebuild. An older one goes."""
    source = repo / SUITE[atom]
    new = version(source)
    folder = repo / "genpack-overlay" / atom
    ebuilds = sorted(folder.glob("*.ebuild"))
    if len(ebuilds) != 1:
        raise MirrorError(f"{folder} has {len(ebuilds)} ebuilds: there must be one to go by")
    sdist = build_sdist(source, python, work / folder.name)
    archive = dist / sdist.name
    if archive.exists() and archive.read_bytes() != sdist.read_bytes():
        raise MirrorError(
            f"{archive} is there with another content: what was released stays as it is; raise the version"
        )
    dist.mkdir(parents=True, exist_ok=True)
    sdist.replace(archive)
    target = folder / f"{folder.name}-{new}.ebuild"
    ebuilds[0].rename(target)
    (folder / "Manifest").write_text(manifest([archive]))
    return target


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    repo = Path(__file__).resolve().parents[3]
    names = {folder: atom for atom, folder in SUITE.items()}
    parser = argparse.ArgumentParser(prog="ci/release-ebuilds", description=__doc__.partition("\n")[0])
    parser.add_argument("--dist", type=Path, required=True, metavar="DIR", help="folder for the sdists")
    parser.add_argument("--repository", type=Path, default=repo, metavar="DIR", help="the checkout [this one]")
    parser.add_argument("package", nargs="+", choices=sorted(names), help="folder of a package that is released")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="release-ebuilds-", dir=options.dist.absolute().parent) as name:
            work = Path(name)
            make_venv(work)
            for package in options.package:
                print(bump(options.repository, names[package], work / "venv/bin/python", options.dist, work))
    except (MirrorError, OSError) as error:
        sys.exit(f"ci/release-ebuilds: error: {error}")
