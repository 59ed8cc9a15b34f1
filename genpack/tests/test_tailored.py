# SPDX-License-Identifier: MIT
"""Which packages are built with something of the artifact's folders, and when they are built again."""

from __future__ import annotations

from pathlib import Path

import lowers
import pytest
from conftest import Reading
from genpack.container import Container
from genpack.model import Definition

from genpack import atoms, distfiles, merge, tailored


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    """Repositories with a kernel that is built from source and one that is not; three installed packages."""
    lower = tmp_path / "lower"
    cache = lower / "var/db/repos/gentoo/metadata/md5-cache/sys-kernel"
    write(cache / "own-kernel-6.1_p2-r3", "EAPI=8\n_eclasses_=toolchain\t0\tkernel-build\t1\n")
    write(cache / "bin-kernel-6.1", "EAPI=8\n_eclasses_=kernel-install\t0\n")
    for cpv in ("a/b-1.0-r1", "a/b-extra-2", "sys-kernel/own-kernel-6.1_p2-r3"):
        lowers.add_package(lower, cpv, {})
    return lower


@pytest.fixture
def definition(read: Reading) -> Definition:
    text = "{env: {'>=e/f-2:3': ['one', 'two'], 'e/*': 'one'}}"
    return merge.merge(read(text)[0], "x86_64", None, "x")


def test_each_folder(definition: Definition, artifact: Path, lower: Path) -> None:
    for name in ("one", "two"):
        write(artifact / "env" / name)
    assert list(tailored.packages(definition, artifact, lower)) == ["e/f"]
    for name in (
        "patches/a/b/1.patch",
        "patches/a/c-1.2-r3:2/1.patch",
        "savedconfig/x86_64-pc-linux-gnu/g/h-3",
        "savedconfig/sys-apps/busybox",
        "kernel/config.d/a.config",
        "overlay/l/m/m-1.ebuild",
    ):
        write(artifact / name)
    found = tailored.packages(definition, artifact, lower)
    assert list(found) == ["a/b", "a/c", "e/f", "g/h", "l/m", "sys-apps/busybox", "sys-kernel/own-kernel"]


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("env/two", "e/f"),
        ("patches/a/b/2.patch", "a/b"),
        ("savedconfig/g/h", "g/h"),
        ("kernel/arch-x86_64/config.d/a.config", "sys-kernel/own-kernel"),
        ("overlay/l/m/files/x", "l/m"),
        ("overlay/eclass/x.eclass", "l/m"),
        ("kernel/arch-i686/config.d/a.config", None),
    ],
)
def test_what_changes_which(
    definition: Definition, artifact: Path, lower: Path, name: str, package: str | None
) -> None:
    for path in (
        "env/one",
        "env/two",
        "patches/a/b/1.patch",
        "savedconfig/g/h",
        "kernel/config.d/a.config",
        "overlay/l/m/m-1.ebuild",
    ):
        write(artifact / path)
    before = tailored.packages(definition, artifact, lower)
    write(artifact / name, "changed")
    after = tailored.packages(definition, artifact, lower)
    assert {key for key in after if before.get(key) != after[key]} == ({package} if package else set())


def test_only_installed_packages_are_outdated(lower: Path) -> None:
    now = {"a/b": "1", "a/c": "1", "sys-kernel/own-kernel": "1"}
    assert tailored.outdated({}, now, lower) == ["a/b", "sys-kernel/own-kernel"]
    assert tailored.outdated(now, {"a/b": "1", "a/c": "2"}, lower) == ["sys-kernel/own-kernel"]
    assert tailored.outdated(now, now, lower) == []
    assert tailored.outdated({"a/b-extra": "1", "a/none": "1"}, {}, lower) == ["a/b-extra"]


def test_names_of_atoms() -> None:
    for text in ("a/b-c", "=a/b-c-1.0_p1-r2", ">=a/b-c-1:2/3=", "~a/b-c-1::r", "a/b-c[x]", "a/b-c-2", "=a/b-c-1*"):
        assert atoms.package(text) == "a/b-c", text
    assert atoms.is_exclude("a/b-c:2/3")
    assert not any(atoms.is_exclude(text) for text in ("a/b::r", "a/b[x]", ">=a/b-1", "a/b:="))


def test_only_failed_downloads_are_removed_from_the_distfiles(tmp_path: Path) -> None:
    for name in ("a-1.tar.gz", "b.zip.__download__", "c.zip._checksum_failure_.x1y"):
        write(tmp_path / name)
    box = Container(tmp_path, writable=[(tmp_path, distfiles.PLACE), (tmp_path / "no", "/var/cache/binpkgs")])
    assert [path.name for path in distfiles.unusable(box)] == ["c.zip._checksum_failure_.x1y"]
