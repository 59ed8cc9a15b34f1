# SPDX-License-Identifier: MIT
"""The suite's own packages for an image: sdists of this tree, and a copy of genpack-overlay that names them.

Portage reuses a binary package of the same version, whatever its sources say. So each ebuild of the copy has the
version X.Y.Z_pN, where N is the first 32 bits of a hash over all that goes into the package.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from .ebuilds import manifest
from .process import MirrorError, run
from .store import digest

#: Ebuilds that build a package of this suite: category/name -> its folder.
SUITE = {
    "app-emulation/vm": "vm",
    "genpack/genpack": "genpack",
    "genpack/genpack-install": "genpack-install",
    "sys-apps/genpack-init": "genpack-init",
}
#: What builds the sdists.
BUILD_TOOLS = ("build==1.3.0", "scikit-build-core==0.11.6", "pybind11==2.13.6", "hatchling==1.27.0")
_REPOSITORY = ("eclass", "metadata", "profiles")
_NOT_SOURCE = ("build", "dist", ".venv", ".pytest_cache", "__pycache__", ".mypy_cache", ".ruff_cache", "*.egg-info")


def make_venv(folder: Path) -> None:
    """A virtual environment with the build back ends."""
    run(["/usr/bin/python3", "-m", "venv", folder / "venv"])
    run([folder / "venv/bin/pip", "install", "-q", *BUILD_TOOLS])


def repository_paths(overlay: Path) -> list[Path]:
    """The parts of the genpack-overlay folder that make up the ebuild repository."""
    categories = sorted({path.parents[1].name for path in overlay.glob("*/*/*.ebuild")})
    return [overlay / name for name in [*_REPOSITORY, *categories] if (overlay / name).is_dir()]


def source_key(repo: Path) -> str:
    """Changes whenever the copy or an sdist would."""
    return digest(*repository_paths(repo / "genpack-overlay"), *(repo / name for name in sorted(SUITE.values())))


def make_suite(repo: Path, python: Path, folder: Path) -> None:
    """``folder/genpack-overlay`` and ``folder/distfiles``."""
    overlay, dist = folder / "genpack-overlay", folder / "distfiles"
    dist.mkdir()
    for path in repository_paths(repo / "genpack-overlay"):
        shutil.copytree(
            path, overlay / path.name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "Manifest")
        )
    shared = digest(overlay / "eclass")
    for ebuild in sorted(overlay.glob("*/*/*.ebuild")):
        package = ebuild.parent
        atom = f"{package.parent.name}/{package.name}"
        source = repo / SUITE[atom] if atom in SUITE else None
        manifest_file = repo / "genpack-overlay" / atom / "Manifest"
        if source is None and manifest_file.exists():
            # sources of others: version and Manifest name an archive that only its own server has
            shutil.copy2(manifest_file, package)
            continue
        number = int(digest(package, shared, *([source] if source else []))[:8], 16)
        stem = re.sub(r"(_p\d+)?(-r\d+)?$", "", ebuild.stem)
        target = ebuild.with_name(f"{stem}_p{number}.ebuild")
        ebuild.rename(target)
        if source:
            sdist = build_sdist(source, python, folder / "build")
            name = sdist.name.rpartition("-")[0]
            archive = dist / f"{name}-{target.stem.removeprefix(package.name + '-')}.tar.gz"
            sdist.rename(archive)
            (package / "Manifest").write_text(manifest([archive]))
            shutil.rmtree(folder / "build")


def build_sdist(source: Path, python: Path, work: Path) -> Path:
    """The sdist of a package's folder, below ``work``. ``python``: of ``make_venv``."""
    copy = work / "source"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*_NOT_SOURCE))
    run([python, "-m", "build", "--sdist", "--no-isolation", "--outdir", work / "out", copy])
    archives = list((work / "out").glob("*.tar.gz"))
    if len(archives) != 1:
        raise MirrorError(f"{source.name}: its sdist was not made")
    return archives[0]
