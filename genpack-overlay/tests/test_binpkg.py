# SPDX-License-Identifier: MIT
"""require-installed and remove-binpkg: real Portage on a small root, real binary packages that its own writer made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import portage_root
import pytest
from conftest import PROGS
from portage_root import Root

# Makes a package of an empty image at PKGDIR/PATH, then the index of all: argv PATH CATEGORY PF BUILD_ID.
MAKE = """
import os, sys, tempfile
import portage
from portage.gpkg import gpkg
folder, *words = sys.argv[1:]
while words:
    path, category, pf, build, *words = words
    os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
    meta = {"CATEGORY": category, "PF": pf, "BUILD_ID": build, "SLOT": "0", "EAPI": "8", "repository": "gentoo",
            "KEYWORDS": "amd64", "USE": "", "IUSE": "", "LICENSE": "MIT", "DEFINED_PHASES": "-", "BUILD_TIME": build}
    with tempfile.TemporaryDirectory() as image:
        gpkg(portage.settings, f"{pf}-{build}", f"{folder}/{path}").compress(
            image, {k: v.encode() for k, v in meta.items()})
tree = portage.binarytree(pkgdir=folder, settings=portage.settings)
tree.populate(force_reindex=True)
"""


def configured(path: Path) -> Root:
    root = portage_root.make(path)
    root.write("etc/portage/make.conf",
               'FEATURES="-sandbox -usersandbox"\nBINPKG_COMPRESS="gzip"\n'
               f'PKGDIR="{root.path}/packages"\n')
    return root


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return configured(tmp_path / "root")


def run(root: Root, *argv: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "ROOT": str(root.path), "PORTAGE_CONFIGROOT": str(root.path)}
    program = [sys.executable, str(PROGS / "bin" / argv[0]), *argv[1:]]
    return subprocess.run(program, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """foo-1 in two builds, foo-2, foo-bar-1 (another package), one of another category."""
    root = configured(tmp_path_factory.mktemp("made") / "root")
    folder = root.path / "packages"
    folder.mkdir()
    env = {**os.environ, "ROOT": str(root.path), "PORTAGE_CONFIGROOT": str(root.path)}
    words = [str(folder)]
    for cpv, build in (("net-misc/foo-1", "1"), ("net-misc/foo-1", "2"), ("net-misc/foo-2", "1"),
                       ("net-misc/foo-bar-1", "1"), ("sys-apps/foo-1", "1")):
        category, pf = cpv.split("/")
        words += [f"{cpv.rsplit('-', 1)[0]}/{pf}-{build}.gpkg.tar", category, pf, build]
    subprocess.run([sys.executable, "-c", MAKE, *words], env=env, check=True, capture_output=True)
    assert len(files(folder)) == 5 and len(indexed(folder)) == 5
    return folder


@pytest.fixture
def packages(root: Root, made: Path) -> Path:
    return shutil.copytree(made, root.path / "packages")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.gpkg.tar")}


def indexed(folder: Path) -> set[str]:
    lines = (folder / "Packages").read_text().splitlines()
    return {line.removeprefix("PATH: ") for line in lines if line.startswith("PATH: ")}


FOO_1 = {"net-misc/foo/foo-1-1.gpkg.tar", "net-misc/foo/foo-1-2.gpkg.tar"}
FOO = FOO_1 | {"net-misc/foo/foo-2-1.gpkg.tar"}


@pytest.mark.parametrize(("atoms", "gone"), [
    (["net-misc/foo"], FOO),
    (["=net-misc/foo-1"], FOO_1),
    ([">net-misc/foo-1", "sys-apps/foo"], {"net-misc/foo/foo-2-1.gpkg.tar", "sys-apps/foo/foo-1-1.gpkg.tar"}),
    (["net-misc/foo", "<net-misc/foo-2", "net-misc/absent"], FOO),
])
def test_removed_are_those_that_match_in_folder_and_index(
        root: Root, packages: Path, atoms: list[str], gone: set[str]) -> None:
    before = files(packages)
    shown = run(root, "remove-binpkg", *atoms)
    assert shown.returncode == 0, shown.stderr
    assert files(packages) == indexed(packages) == before
    assert "nothing was removed: --delete does that\n" in shown.stderr
    done = run(root, "remove-binpkg", "--delete", *atoms)
    assert done.returncode == 0, done.stderr
    assert done.stdout == shown.stdout
    assert {os.path.relpath(path, packages) for path in done.stdout.splitlines()} == gone
    assert files(packages) == indexed(packages) == before - gone
    assert ("no binary package in" in done.stderr) == ("net-misc/absent" in atoms)


def test_builds_of_a_version_are_told_apart_without_the_feature(root: Root, packages: Path) -> None:
    root.write("etc/portage/make.conf", 'FEATURES="-binpkg-multi-instance"\n')
    done = run(root, "remove-binpkg", "--pkgdir", str(packages), "--delete", "=net-misc/foo-1")
    assert done.returncode == 0, done.stderr
    assert {os.path.relpath(path, packages) for path in done.stdout.splitlines()} == FOO_1
    assert files(packages) == indexed(packages) and not files(packages) & FOO_1


def test_another_folder_and_a_package_that_no_index_names(root: Root, packages: Path, tmp_path: Path) -> None:
    elsewhere = packages.rename(tmp_path / "elsewhere")
    (elsewhere / "Packages").unlink()
    done = run(root, "remove-binpkg", "--pkgdir", str(elsewhere), "--delete", "net-misc/foo")
    assert done.returncode == 0, done.stderr
    assert files(elsewhere) == indexed(elsewhere) == {
        "net-misc/foo-bar/foo-bar-1-1.gpkg.tar", "sys-apps/foo/foo-1-1.gpkg.tar"}


@pytest.mark.parametrize(("argv", "status", "error"), [
    (["net-misc/absent"], 1, "nothing in {} to remove"),
    (["not an atom"], 2, "'not an atom' is not an atom"),
    (["!net-misc/foo"], 2, "'!net-misc/foo' is a blocker"),
    (["--pkgdir", "/nowhere", "net-misc/foo"], 2, "/nowhere: there is no such folder of binary packages"),
    (["net-misc/foo", "=net-misc/foo"], 2, "'=net-misc/foo' is not an atom"),
])
def test_nothing_is_removed_by_a_mistake(
        root: Root, packages: Path, argv: list[str], status: int, error: str) -> None:
    done = run(root, "remove-binpkg", "--delete", *argv)
    assert done.returncode == status
    assert f"remove-binpkg: error: {error.format(packages)}" in done.stderr and "Traceback" not in done.stderr
    assert len(files(packages)) == len(indexed(packages)) == 5


def test_require_installed(root: Root) -> None:
    root.install("net-misc/openssh-9.2_p1", IUSE="ldns ssl", USE="ssl", SLOT="0")
    there = ["net-misc/openssh", ">=net-misc/openssh-9", "net-misc/openssh[ssl,-ldns]", "net-misc/openssh:0"]
    done = run(root, "require-installed", *there)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = run(root, "require-installed", there[0], "net-misc/gone", "net-misc/openssh[ldns]", "net-misc/gone")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "require-installed: error: not installed: net-misc/gone, net-misc/openssh[ldns]\ntip: ")


@pytest.mark.parametrize("text", ["openssh", "net-misc/", "!net-misc/openssh", "net-misc/*"])
def test_require_installed_refuses_what_is_no_atom(root: Root, text: str) -> None:
    done = run(root, "require-installed", text)
    assert done.returncode == 2
    assert done.stderr.startswith(f"require-installed: error: {text!r} is ")
    assert "Traceback" not in done.stderr
