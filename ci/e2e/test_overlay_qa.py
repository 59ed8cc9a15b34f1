# SPDX-License-Identifier: MIT
"""genpack-overlay by Gentoo's own tools, with the local mirror's repository as its master: pkgcheck, egencache."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness.commands import Result, run
from harness.toy import Mirror

REPO = Path(__file__).resolve().parents[2]
EXPECTED = Path(__file__).with_name("overlay_qa.txt")
#: pkgcheck's configuration is what lies in etc/portage beside the virtual environment that it runs in. Its data files
#: are found when it is imported; after that the environment may be said to be elsewhere.
PKGCHECK = "import sys, pkgcore.const\nsys.prefix = sys.argv.pop(1)\nfrom pkgcheck.scripts import run\nrun('pkgcheck')"
FORMAT = "{name}|{category}/{package}|{desc}"


@dataclass(frozen=True)
class Place:
    """Copies of both repositories, and Portage's configuration that names them."""

    base: Path

    @property
    def gentoo(self) -> Path:
        return self.base / "gentoo"

    @property
    def overlay(self) -> Path:
        return self.base / "genpack-overlay"

    @property
    def repositories(self) -> str:
        return (f"[DEFAULT]\nmain-repo = gentoo\n[gentoo]\nlocation = {self.gentoo}\n"
                f"[genpack-overlay]\nlocation = {self.overlay}\n")  # fmt: skip


@pytest.fixture(scope="module")
def place(mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Place:
    base = tmp_path_factory.mktemp("qa")
    run("tar", "-C", base, "-xf", mirror.folder / "snapshots/gentoo-latest.tar.xz").ok()
    (snapshot,) = base.glob("gentoo-*")
    made = Place(base)
    snapshot.rename(made.gentoo)
    source = REPO / "genpack-overlay"
    categories = {path.parents[1].name for path in source.glob("*/*/*.ebuild")}
    for name in ("eclass", "metadata", "profiles", *categories):
        shutil.copytree(source / name, made.overlay / name, ignore=shutil.ignore_patterns("__pycache__"))
    portage = base / "etc/portage"
    portage.mkdir(parents=True)
    (portage / "repos.conf").write_text(made.repositories)
    (portage / "make.profile").symlink_to(made.overlay / "profiles/genpack/amd64")
    return made


def expected() -> list[tuple[str, re.Pattern[str], str]]:
    """Kind, pattern and reason of each line."""
    lines = (line.partition("  # ") for line in EXPECTED.read_text().splitlines() if line and not line.startswith("#"))
    return [(*_kind_and_pattern(entry), reason) for entry, _, reason in lines]


def _kind_and_pattern(entry: str) -> tuple[str, re.Pattern[str]]:
    kind, _, pattern = entry.partition(" ")
    return kind, re.compile(pattern.strip())


def subjects(output: str) -> Iterator[tuple[str, str]]:
    """Kind and text of each finding; of a list of packages that do not exist, each is a finding of its own."""
    for line in output.splitlines():
        kind, package, text = line.split("|", 2)
        if kind == "NonexistentDeps":
            yield from ((kind, name) for name in text.rpartition(": ")[2].split(", "))
        elif kind == "UnknownProfilePackage":
            yield kind, text.rpartition("'")[0].rpartition("'")[2]
        else:
            yield kind, f"{package}: {text}"


def scan(place: Place) -> Result:
    env = {"XDG_CACHE_HOME": str(place.base / "cache"), "XDG_CONFIG_HOME": str(place.base / "config"), "NO_COLOR": "1"}
    argv = (sys.executable, "-c", PKGCHECK, place.base / "venv", "scan", "-r", place.overlay)
    return run(*argv, "-R", "FormatReporter", "--format", FORMAT, timeout=300, env=env)


def test_pkgcheck_finds_only_what_the_small_master_causes(place: Place) -> None:
    done = scan(place)
    assert "Traceback" not in done.stderr, str(done)
    found = list(subjects(done.stdout))
    known = expected()
    assert all(reason for _, _, reason in known)
    surprises = [(kind, text) for kind, text in found
                 if not any(kind == k and pattern.fullmatch(text) for k, pattern, _ in known)]  # fmt: skip
    assert surprises == []
    stale = [f"{k} {pattern.pattern}" for k, pattern, _ in known
             if not any(kind == k and pattern.fullmatch(text) for kind, text in found)]  # fmt: skip
    assert stale == [], "overlay_qa.txt lists what does not occur any more"


def test_pkgcheck_sees_a_mistake(place: Place, tmp_path: Path) -> None:
    """That the test above would notice: a package with an unknown licence and a dependency that nobody has."""
    ebuild = place.overlay / "genpack/devel/devel-0.1.0.ebuild"
    before = ebuild.read_text()
    ebuild.write_text(before.replace('LICENSE="MIT"', 'LICENSE="none"').replace("dev-debug/gdb", "dev-debug/gbd"))
    try:
        found = set(subjects(scan(place).stdout))
    finally:
        ebuild.write_text(before)
    assert ("NonexistentDeps", "dev-debug/gbd") in found
    assert "InvalidLicense" in {kind for kind, _ in found} or "UnknownLicense" in {kind for kind, _ in found}


def test_egencache_sources_every_ebuild(place: Place) -> None:
    program = Path(sys.executable).with_name("egencache")
    env = {"PORTAGE_CONFIGROOT": str(place.base), "PORTAGE_USERNAME": "root", "PORTAGE_GRPNAME": "root"}
    configuration = f"--repositories-configuration={place.repositories}"
    run(sys.executable, program, "--repo=genpack-overlay", "--update", "--jobs=2", configuration, env=env).ok()
    ebuilds = {path.relative_to(place.overlay).parent.parent / path.stem for path in place.overlay.glob("*/*/*.ebuild")}
    cache = place.overlay / "metadata/md5-cache"
    assert {path.relative_to(cache) for path in cache.glob("*/*")} == ebuilds
