# SPDX-License-Identifier: MIT
"""Portage's configuration and emerge's command lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Reading
from genpack.arch import ARCHES
from genpack.model import Definition

from genpack import merge, overlays, portage


@pytest.fixture
def definition(read: Reading) -> Definition:
    text = """{packages: ["a/b", "c/d"], buildtime_packages: ["e/f"], mask: [">=a/b-2"],
      use: {"*/*": "x -y VIDEO_CARDS: virgl", "a/b": ["z"], "c/d": null},
      accept_keywords: {"a/b": null, "c/d": "**"}, license: {"a/b": "@EULA X"}, env: {"a/b": ["one", "two"]}}"""
    return merge.merge(read(text)[0], "x86_64", None, "x")


def test_files(definition: Definition) -> None:
    files = portage.config_files(definition, None)
    assert files["etc/portage/package.use/genpack"] == "*/* x -y VIDEO_CARDS: virgl\na/b z\n"
    assert files["etc/portage/package.accept_keywords/genpack"] == "a/b\nc/d **\n"
    assert files["etc/portage/package.mask/genpack"] == ">=a/b-2\n"
    assert files["etc/portage/package.license/genpack"] == "a/b @EULA X\n"
    assert files["etc/portage/package.env/genpack"] == "a/b one two\n"
    assert files["etc/portage/sets/genpack-runtime"] == "a/b\nc/d\n"
    assert files["etc/portage/sets/genpack-buildtime"] == "e/f\n"
    assert files["var/lib/portage/world_sets"] == "@genpack-buildtime\n@genpack-runtime\n"
    assert "main-repo = gentoo" in files["etc/portage/repos.conf/gentoo.conf"]
    assert "etc/portage/repos.conf/genpack-local.conf" not in files
    local = portage.config_files(definition, "mine")["etc/portage/repos.conf/genpack-local.conf"]
    assert local == "[mine]\nlocation = /var/db/repos/genpack-local\nauto-sync = no\npriority = 20\n"


def test_the_least(read: Reading) -> None:
    files = portage.config_files(merge.merge(read("{}")[0], "x86_64", None, "x"), None)
    assert sorted(Path(name).name for name in files) == sorted(
        ["gentoo.conf", "genpack-overlay.conf", "genpack-runtime", "genpack-buildtime", "world_sets"]
    )


def test_profile() -> None:
    base = "../../var/db/repos/genpack-overlay/profiles/genpack/amd64"
    assert portage.make_profile(ARCHES["x86_64"], None) == base
    assert portage.make_profile(ARCHES["x86_64"], "gnome/baremetal") == f"{base}/gnome/baremetal"


def fill(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_folders_and_the_architecture_s_kernel(artifact: Path) -> None:
    fill(
        artifact,
        {
            "kernel/config.d/a.config": "all",
            "kernel/config.d/b.config": "all",
            "kernel/arch-x86_64/config.d/a.config": "x86_64",
            "kernel/arch-aarch64/config.d/c.config": "aarch64",
            "patches/a/b/1.patch": "p",
            "savedconfig/x/y": "s",
            "env/one": "e",
        },
    )
    found = {name: path.read_text() for name, path in portage.folder_files(artifact, "x86_64").items()}
    assert found == {
        "etc/kernel/config.d/a.config": "x86_64",
        "etc/kernel/config.d/b.config": "all",
        "etc/portage/patches/a/b/1.patch": "p",
        "etc/portage/savedconfig/x/y": "s",
        "etc/portage/env/one": "e",
    }


def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.chown", lambda *_, **__: None)


def test_apply_and_remove_again(artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_root(monkeypatch)
    lower = tmp_path / "lower"
    fill(lower, {"etc/portage/package.use": "stage3/own flag\n", "etc/kernel/install.d/keep": ""})
    fill(artifact, {"patches/a/b/1.patch": "p", "kernel/config.d/x.config": ""})
    copies = portage.folder_files(artifact, "x86_64")
    managed = portage.apply(lower, {"etc/portage/package.use/genpack": "a/b c\n"}, copies, [])
    assert (lower / "etc/portage/package.use/00-stage3").read_text() == "stage3/own flag\n"
    assert (lower / "etc/portage/patches/a/b/1.patch").read_text() == "p"
    assert managed == [
        *("etc/kernel/config.d/x.config", "etc/portage/package.use/genpack", "etc/portage/patches/a/b/1.patch")
    ]
    assert portage.apply(lower, {}, {}, managed) == []
    assert not (lower / "etc/portage/patches").exists()
    assert not (lower / "etc/kernel/config.d").exists()
    assert (lower / "etc/kernel/install.d/keep").exists()
    assert (lower / "etc/portage/package.use/00-stage3").exists()
    assert not (lower / "etc/portage/package.use/genpack").exists()


def test_emerge() -> None:
    emerge = portage.Emerge(jobs=3, excludes=("a/b", "c/d"))
    words = emerge.update("@world", "@genpack-runtime")
    for word in ("--buildpkg", "--usepkg", "--binpkg-respect-use=y", "--update", "--deep", "--newuse", "--keep-going"):
        assert word in words
    assert "--usepkg-exclude=a/b c/d" in words
    assert "--buildpkg-exclude=a/b c/d" in words
    assert words[-2:] == ["@world", "@genpack-runtime"]
    assert {"--jobs=3", "--load-average=3"} <= set(words)
    alone = portage.Emerge(reinstall=("a/b", "e/f")).update("@world")
    assert not any(word.startswith(("--jobs", "--load-average", "--usepkg-exclude")) for word in alone)
    assert "--reinstall-atoms=a/b e/f" in alone
    assert "--oneshot" in emerge.update("x", oneshot=True)
    assert "--with-bdeps=n" not in emerge.depclean()
    assert "--with-bdeps=n" in emerge.depclean(build_dependencies=False)


def test_overlay_parts_and_hash(overlay: Path) -> None:
    assert overlays.parts(overlay) == ["genpack", "metadata", "profiles"]
    before = overlays.content_hash(overlay)
    (overlay / "src/more.py").write_text("")
    (overlay / "metadata/md5-cache").mkdir()
    assert overlays.content_hash(overlay) == before
    (overlay / "genpack/base/base-1.ebuild").write_text("EAPI=8\n# changed\n")
    assert overlays.content_hash(overlay) != before
    assert overlays.profiles(overlay, "amd64") == ["gnome/baremetal", "paravirt"]


def test_copy_of_the_overlay(overlay: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_root(monkeypatch)
    target = tmp_path / "repos/genpack-overlay"
    fill(target, {"old/old/old-1.ebuild": ""})
    overlays.install(overlay, target)
    assert sorted(path.name for path in target.iterdir()) == ["genpack", "metadata", "profiles"]


def test_local_overlay(artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_root(monkeypatch)
    fill(artifact / "overlay/app-misc", {"x/x-1.ebuild": "", "y/y-1.ebuild": "", "y/Manifest": ""})
    target = tmp_path / "genpack-local"
    overlays.install_local(artifact / "overlay", target)
    assert (target / "profiles/repo_name").read_text() == "genpack-local\n"
    assert "masters = gentoo genpack-overlay" in (target / "metadata/layout.conf").read_text()
    assert (target / "profiles/categories").read_text() == "app-misc\n"
    assert overlays.without_manifest(target) == ["app-misc/x/x-1.ebuild"]
    overlays.install_local(artifact / "none", target)
    assert not target.exists()


def test_failure_lines_end_with_the_cause_not_with_portages_summary(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    cause = [f"line {number}" for number in range(30)] + ["", "toy.c:6: error: broken", "make: Error 1"]
    summary = [" * ERROR: app-misc/toy-1::gentoo failed (compile phase):", " *   emake failed", " * Call stack:"]
    log.write_text("\n".join([*cause, *summary, *(f" * advice {number}" for number in range(20))]) + "\n")
    assert portage.failure_lines(log, 5) == ["line 29", "toy.c:6: error: broken", "make: Error 1", *summary[:2]]
    log.write_text("no summary\n\nthe end\n")
    assert portage.failure_lines(log, 5) == ["no summary", "the end"]
    assert portage.failure_lines(tmp_path / "none", 5) == []
