# SPDX-License-Identifier: MIT
"""Where the repository is, and which files belong to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .errors import OverlayError

NAME = "genpack-overlay"
PARTS = ("eclass", "metadata", "profiles")
# What tests and tools leave behind in a checkout.
LEFTOVERS = ("__pycache__", "md5-cache")


def locate() -> Path:
    """The repository's folder: in a checkout the package's own, else the one that the wheel carries."""
    here = Path(__file__).resolve().parent
    for folder in (here / "repository", here.parents[1]):
        if (folder / "profiles/repo_name").is_file():
            return folder
    raise OverlayError(f"the repository is missing beside {here}", tip="install genpack-overlay again")


def categories(root: Path) -> list[str]:
    """Folders of the repository that hold packages."""
    return sorted({ebuild.parents[1].name for ebuild in root.glob("*/*/*.ebuild")})


def files(root: Path) -> Iterator[Path]:
    """Every file of the repository, in byte order of their paths."""
    for part in sorted([*PARTS, *categories(root)]):
        for path in sorted((root / part).rglob("*")):
            if not path.is_dir() and not set(LEFTOVERS).intersection(path.relative_to(root).parts):
                yield path
