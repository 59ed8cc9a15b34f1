# SPDX-License-Identifier: MIT
"""QA of the repository: what can be told from its files alone, without Portage and without Gentoo's repository.

pkgcheck knows far more rules; it wants Gentoo's repository as master. This finds what breaks a build.
"""

from __future__ import annotations

import ast
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import ebuild, process, repository

EAPI = "8"
PROFILE_FILES = ("parent", "packages", "make.defaults", "package.use", "use.mask", "package.mask")


@dataclass(frozen=True)
class Finding:
    """Something about a file (its path below the repository). Only an error makes the check fail."""

    path: str
    text: str
    is_error: bool = True


def check(root: Path) -> list[Finding]:
    """Run every check; findings in the order of the checks, then of the paths."""
    checks: tuple[Callable[[Path], Iterator[Finding]], ...] = (
        layout, profiles, packages, manifests, package_scripts, modes, shell, python)
    return [finding for one in checks for finding in one(root)]


def layout(root: Path) -> Iterator[Finding]:
    """layout.conf, repo_name and categories."""
    path = root / "metadata/layout.conf"
    settings = dict(_settings(path))
    wanted = {"repo-name": repository.NAME, "masters": "gentoo", "profile-formats": "portage-2 profile-set",
              "thin-manifests": "true"}
    for key, value in wanted.items():
        if settings.get(key) != value:
            yield Finding("metadata/layout.conf", f"{key} is {settings.get(key)!r}, wanted is {value!r}")
    name = (root / "profiles/repo_name").read_text().strip()
    if name != repository.NAME:
        yield Finding("profiles/repo_name", f"is {name!r}, wanted is {repository.NAME!r}")
    for category in (root / "profiles/categories").read_text().split():
        if category not in repository.categories(root):
            yield Finding("profiles/categories", f"names {category}, which has no package")


def profiles(root: Path) -> Iterator[Finding]:
    """EAPI and parents of every profile, and the list of them."""
    base = root / "profiles"
    folders = {base} | {path.parent for name in PROFILE_FILES for path in base.rglob(name)}
    for folder in sorted(folders):
        eapi = folder / "eapi"
        if not eapi.is_file() or eapi.read_text().strip() != EAPI:
            yield Finding(_name(root, folder), f"has no eapi file that says {EAPI}")
        parents = folder / "parent"
        for line in parents.read_text().splitlines() if parents.is_file() else []:
            if ":" not in line and line.strip() and not line.startswith("#") and not (folder / line).is_dir():
                yield Finding(_name(root, parents), f"{line} does not exist")
    for line in (base / "profiles.desc").read_text().splitlines():
        words = line.split("#")[0].split()
        if words and (len(words) != 3 or not (base / words[1]).is_dir()):
            yield Finding("profiles/profiles.desc", f"names no profile: {line}")


def packages(root: Path) -> Iterator[Finding]:
    """Ebuilds, and metadata.xml beside them."""
    for path in sorted(root.glob("*/*/*.ebuild")):
        for text in ebuild.problems(path):
            yield Finding(_name(root, path), text)
    for folder in sorted({path.parent for path in root.glob("*/*/*.ebuild")}):
        path = folder / "metadata.xml"
        try:
            tree = ET.parse(path).getroot()
        except (OSError, ET.ParseError) as e:
            yield Finding(_name(root, path), f"can't be read: {e}")
            continue
        if tree.tag != "pkgmetadata" or tree.find("maintainer/email") is None:
            yield Finding(_name(root, path), "has no maintainer with an e-mail address")
        documented = {flag.get("name", "") for flag in tree.iterfind("use/flag") if (flag.text or "").strip()}
        flags = {flag for one in folder.glob("*.ebuild") for flag in ebuild.read(one).flags}
        for flag in sorted(flags - documented):
            yield Finding(_name(root, path), f"does not say what the USE flag {flag} does")
        for flag in sorted(documented - flags):
            yield Finding(_name(root, path), f"describes the USE flag {flag}, which no ebuild has")


def manifests(root: Path) -> Iterator[Finding]:
    """Thin Manifests: an entry with both hashes for every source archive, and nothing else."""
    for folder in sorted({path.parent for path in root.glob("*/*/*.ebuild")}):
        path = folder / "Manifest"
        archives = {a for one in folder.glob("*.ebuild") for a in ebuild.read(one).archives}
        if not path.is_file():
            for archive in sorted(archives):
                yield Finding(_name(root, folder), f"has no Manifest: {archive} is not released yet", is_error=False)
            continue
        entries = [line.split() for line in path.read_text().splitlines() if line.strip()]
        for entry in entries:
            if entry[0] != "DIST" or not {"BLAKE2B", "SHA512"} <= set(entry[3::2]):
                yield Finding(_name(root, path), f"is not the line of a thin Manifest: {' '.join(entry[:2])}")
        for archive in sorted(archives - {entry[1] for entry in entries}):
            yield Finding(_name(root, path), f"has no entry for {archive}")


def package_scripts(root: Path) -> Iterator[Finding]:
    """Package scripts are installed as executables, CATEGORY/NAME/SCRIPT; modes come from the ebuild."""
    folder = root / "genpack/genpack-progs/files/package-scripts"
    for path in (path for path in sorted(folder.rglob("*")) if path.is_file()):
        if len(path.relative_to(folder).parts) != 3:
            yield Finding(_name(root, path), "is not at CATEGORY/NAME/SCRIPT, where it would be installed")
        if path.read_bytes()[:2] != b"#!":
            yield Finding(_name(root, path), "does not begin with #!, so it can't be executed")


def modes(root: Path) -> Iterator[Finding]:
    """Nothing in the repository is executable: an archive may lose modes, an ebuild sets them."""
    for path in repository.files(root):
        if path.stat().st_mode & 0o111:
            yield Finding(_name(root, path), "is executable")


def shell(root: Path) -> Iterator[Finding]:
    """Shell scripts parse, and shellcheck likes them if it is installed."""
    scripts = [(path, name) for path in repository.files(root) if (name := _shell_of(path))]
    for path, name in scripts:
        result = process.run([name, "-n", str(path)], needed_to="check the syntax of shell scripts")
        if result.status != 0:
            yield Finding(_name(root, path), result.output.strip())
    if shutil.which("shellcheck") is None:
        yield Finding("", "shellcheck is not installed: shell scripts were only parsed", is_error=False)
        return
    for path, name in scripts:
        result = process.run(["shellcheck", "-x", "-f", "gcc", "-s", name, path.name], cwd=path.parent,
                             needed_to="check shell scripts")
        for line in result.output.splitlines():
            yield Finding(_name(root, path.parent), line)


def python(root: Path) -> Iterator[Finding]:
    """Python files parse."""
    for path in repository.files(root):
        if path.suffix == ".py":
            try:
                ast.parse(path.read_bytes(), filename=str(path))
            except SyntaxError as e:
                yield Finding(_name(root, path), f"line {e.lineno}: {e.msg}")


def _shell_of(path: Path) -> str | None:
    """The shell that a script is written for, from its first line."""
    if path.is_symlink() or path.suffix in (".ebuild", ".eclass"):
        return None
    with path.open("rb") as file:
        first = file.readline(64).split()
    return {b"#!/bin/sh": "sh", b"#!/bin/bash": "bash"}.get(first[0]) if first else None


def _settings(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text().splitlines() if path.is_file() else []:
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            yield key.strip(), value.strip()


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
