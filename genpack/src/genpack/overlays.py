# SPDX-License-Identifier: MIT
"""Ebuild repositories that are copied into the lower layer: genpack-overlay and the artifact's own overlay/."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from genpack import hashing
from genpack.errors import GenpackError, UsageError

NAME = "genpack-overlay"
LOCAL_NAME = "genpack-local"
#: Where repositories lie in the lower layer.
REPOSITORIES = "var/db/repos"

#: Folders of a repository beside its categories.
_PARTS = ("eclass", "licenses", "metadata", "profiles")
_SKIP = frozenset({".git", "__pycache__", "md5-cache"})


def checked(folder: Path) -> Path:
    """The folder, if it is genpack-overlay. Raises UsageError."""
    name_file = folder / "profiles/repo_name"
    if not name_file.is_file() or name_file.read_text().strip() != NAME:
        tip = f"name a folder whose profiles/repo_name says {NAME}"
        raise UsageError(f"{folder} is not the ebuild repository {NAME}", tip=tip)
    return folder


def parts(repository: Path) -> list[str]:
    """The folders of a repository that belong to it: a checkout has others beside them."""
    # Not from profiles/categories, which need not name the categories of the master repository.
    categories = {ebuild.parent.parent.name for ebuild in repository.glob("*/*/*.ebuild")}
    return sorted({name for name in (*_PARTS, *categories) if (repository / name).is_dir()})


def content_hash(repository: Path) -> str:
    """Hash of what `install` copies."""
    return hashing.of_value({name: hashing.of_folder(repository / name, skip=_SKIP) for name in parts(repository)})


def install(repository: Path, target: Path) -> None:
    """Copies a repository to its place in the lower layer, replacing what is there, as root's."""
    fresh = target.with_name(f"{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    for name in parts(repository):
        shutil.copytree(repository / name, fresh / name, symlinks=True, ignore=lambda _, names: _SKIP & set(names))
    _as_root(fresh)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def install_local(folder: Path, target: Path) -> None:
    """Copies an artifact's overlay/ into the lower layer and adds the files a repository needs where it lacks them;
    removes it if the artifact has none."""
    shutil.rmtree(target, ignore_errors=True)
    if not folder.is_dir():
        return
    shutil.copytree(folder, target, symlinks=True, ignore=lambda _, names: _SKIP & set(names))
    for name, text in (
        ("metadata/layout.conf", f"masters = gentoo {NAME}\nthin-manifests = true\nsign-manifests = false\n"),
        ("profiles/repo_name", f"{LOCAL_NAME}\n"),
        ("profiles/eapi", "8\n"),
    ):
        file = target / name
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    categories = target / "profiles/categories"
    if not categories.exists():
        found = sorted({ebuild.parent.parent.name for ebuild in target.glob("*/*/*.ebuild")})
        categories.write_text("".join(f"{name}\n" for name in found))
    _as_root(target)


def local_name(folder: Path) -> str:
    """The name of the artifact's own repository."""
    file = folder / "profiles/repo_name"
    return file.read_text().strip() if file.is_file() else LOCAL_NAME


def without_manifest(repository: Path) -> list[str]:
    """One ebuild (relative path) of each package that has no Manifest."""
    packages = sorted({ebuild.parent for ebuild in repository.glob("*/*/*.ebuild")})
    lacking = [package for package in packages if not (package / "Manifest").exists()]
    return [str(sorted(package.glob("*.ebuild"))[0].relative_to(repository)) for package in lacking]


def profiles(repository: Path, gentoo_arch: str) -> list[str]:
    """The profiles of an architecture, by the name that the key `profile` takes."""
    top = repository / "profiles/genpack" / gentoo_arch
    found = {file.parent for name in ("eapi", "parent") for file in top.rglob(name)}
    return sorted(str(folder.relative_to(top)) for folder in found if folder != top)


def require_arch(repository: Path, gentoo_arch: str) -> None:
    """Raises GenpackError if the repository has no profile for the architecture."""
    if not (repository / "profiles/genpack" / gentoo_arch).is_dir():
        raise GenpackError(f"{repository} has no profiles for {gentoo_arch}", tip="choose another --arch")


def _as_root(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, 0, 0, follow_symlinks=False)
