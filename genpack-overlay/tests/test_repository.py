# SPDX-License-Identifier: MIT
"""The repository as it is passes its check, and each kind of mistake is found."""

from __future__ import annotations

import shutil
import tarfile
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PACKAGE, Fake

from genpack_overlay import archive, check, ebuild, repository
from genpack_overlay.errors import OverlayError, UsageError


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository alone, to be spoilt."""
    target = tmp_path / "copy"
    for path in repository.files(PACKAGE):
        place = target / path.relative_to(PACKAGE)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place)
    return target


def errors(root: Path) -> list[str]:
    return [f"{f.path}: {f.text}" for f in check.check(root) if f.is_error]


def test_the_repository_is_clean() -> None:
    assert errors(PACKAGE) == []


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new))

    return spoil


BASE = "genpack/base/base-0.1.0.ebuild"
SCRIPT = "genpack/genpack-progs/files/package-scripts/genpack/base/10-accounts"
MISTAKES: dict[str, tuple[Callable[[Path], None], str]] = {
    "masters": (edit("metadata/layout.conf", "masters = gentoo", "masters = none"), "masters is 'none'"),
    "repo_name": (edit("profiles/repo_name", "genpack-overlay", "x"), "profiles/repo_name: is 'x'"),
    "category": (edit("profiles/categories", "genpack", "genpack\nempty"), "names empty, which has no package"),
    "eapi": (lambda root: (root / "profiles/genpack/eapi").unlink(), "profiles/genpack: has no eapi file"),
    "parent": (edit("profiles/genpack/amd64/paravirt/parent", "paravirt", "gone"), "targets/gone does not exist"),
    "profiles.desc": (edit("profiles/profiles.desc", "amd64/paravirt", "amd64/gone"), "names no profile"),
    "ebuild eapi": (edit(BASE, "EAPI=8", "EAPI=7"), "does not begin with EAPI=8"),
    "keywords": (edit(BASE, 'KEYWORDS="amd64 arm64', 'KEYWORDS="arm64 ~amd64'), "unsorted KEYWORDS"),
    "licence": (edit(BASE, 'LICENSE="MIT"', 'LICENSE=""'), "has no LICENSE"),
    "description": (edit(BASE, "What every", "What " * 20), "more than 80 characters"),
    "folder": (lambda root: (root / BASE).rename(root / "genpack/base/bass-0.1.0.ebuild"), "into the folder base"),
    "flag": (edit(BASE, "+banner", "+banner +new"), "what the USE flag new does"),
    "stale flag": (edit(BASE, "+banner ", ""), "describes the USE flag banner, which no ebuild has"),
    "metadata": (lambda root: (root / "genpack/base/metadata.xml").unlink(), "base/metadata.xml: can't be read"),
    "maintainer": (edit("genpack/base/metadata.xml", "email>", "mail>"), "has no maintainer"),
    "manifest": (lambda root: (root / "sys-apps/genpack-init/Manifest").write_text(
        "DIST other-1.tar.gz 5 BLAKE2B 00 SHA512 00\n"), "has no entry for genpack_init-0.1.0.tar.gz"),
    "thick manifest": (lambda root: (root / "sys-apps/genpack-init/Manifest").write_text(
        "EBUILD genpack-init-0.1.0.ebuild 5 BLAKE2B 00 SHA512 00\n"), "not the line of a thin Manifest: EBUILD"),
    "weak manifest": (lambda root: (root / "sys-apps/genpack-init/Manifest").write_text(
        "DIST genpack_init-0.1.0.tar.gz 5 SHA256 00\n"), "not the line of a thin Manifest: DIST"),
    "executable": (lambda root: (root / SCRIPT).chmod(0o755), "10-accounts: is executable"),
    "no interpreter": (edit(SCRIPT, "#!", "# "), "10-accounts: does not begin with #!"),
    "misplaced": (lambda root: (root / SCRIPT).rename(root / SCRIPT.removesuffix("/base/10-accounts") / "x"),
                  "package-scripts/genpack/x: is not at CATEGORY/NAME/SCRIPT"),
    "shell syntax": (edit(SCRIPT, "done", "fi"), "10-accounts"),
    "python syntax": (edit("genpack/genpack-progs/files/progs/genpack_progs/log.py", "def say", "def def"),
                      "log.py: line"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found(copy: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check.shutil, "which", lambda _: None)  # shellcheck takes a second
    spoil, expected = MISTAKES[name]
    spoil(copy)
    found = errors(copy)
    assert any(expected in line for line in found), found


def test_shellcheck_is_asked_and_its_words_are_passed_on(copy: Path, fake: Fake) -> None:
    calls = fake("shellcheck", 'echo "x.sh:1:1: warning: bad [SC1]"')
    assert any("x.sh:1:1: warning: bad [SC1]" in line for line in errors(copy))
    lines = calls.read_text().splitlines()
    assert "-x -f gcc -s sh genpack-mount.sh" in lines and "-x -f gcc -s bash module-setup.sh" in lines


def test_without_shellcheck_it_says_so(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check.shutil, "which", lambda _: None)
    notes = [f.text for f in check.check(copy) if not f.is_error]
    assert "shellcheck is not installed: shell scripts were only parsed" in notes


def test_archives_of_an_ebuild(tmp_path: Path) -> None:
    path = tmp_path / "a-b-1.2_p3-r1.ebuild"
    path.write_text('SRC_URI="https://x.invalid/${P}.tgz\n\tamd64? ( https://x.invalid/${PN//-/_}-${PV}.tar.gz )\n'
                    '\thttps://x.invalid/tags/${PV}.zip -> ${PN}-tag-${PV}.zip\n"\nIUSE="+a -b c"\n')
    assert ebuild.read(path).archives == ["a-b-1.2_p3.tgz", "a_b-1.2_p3.tar.gz", "a-b-tag-1.2_p3.zip"]
    assert ebuild.read(path).flags == ["a", "b", "c"]


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.xz"])
def test_archive_is_reproducible(copy: Path, tmp_path: Path, suffix: str) -> None:
    one, two = tmp_path / f"one{suffix}", tmp_path / f"two{suffix}"
    archive.write(PACKAGE, one)
    archive.write(copy, two)
    assert one.read_bytes() == two.read_bytes()
    with tarfile.open(one) as tar:
        members = {m.name: m for m in tar.getmembers()}
    assert {m.mode for m in members.values()} == {0o644} and f"genpack-overlay/{BASE}" in members
    assert not any("pycache" in name or "/src/" in name or "/tests/" in name for name in members)
    assert not list(tmp_path.glob(".*"))


def test_archive_takes_the_time_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    archive.write(PACKAGE, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert {m.mtime for m in tar.getmembers()} == {1700000000}


def test_archive_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must end in"):
        archive.write(PACKAGE, tmp_path / "a.zip")
    with pytest.raises(UsageError, match="there is no folder"):
        archive.write(PACKAGE, tmp_path / "gone/a.tar")
    (tmp_path / "a.tar").mkdir()
    with pytest.raises(OverlayError, match=r"cannot write .*a\.tar"):
        archive.write(PACKAGE, tmp_path / "a.tar")
    assert not list(tmp_path.glob(".*"))


def test_the_wheel_carries_every_category() -> None:
    config = tomllib.loads((PACKAGE / "pyproject.toml").read_text())
    carried = config["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert sorted(carried) == sorted([*repository.PARTS, *repository.categories(PACKAGE)])
