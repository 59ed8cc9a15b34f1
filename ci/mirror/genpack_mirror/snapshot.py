# SPDX-License-Identifier: MIT
"""The small ebuild repository named "gentoo": static tree, placeholders of the stage3, repackaged .debs and wheels."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from .apt import Apt
from .ebuilds import manifest, write_debs, write_wheels
from .plan import DebEbuild
from .process import run
from .store import digest
from .tables import Tables

TOY = "toy-1.0"


def make_snapshot(
    here: Path,
    tables: Tables,
    apt: Apt,
    planned: list[DebEbuild],
    stage3: Path,
    portage: Path,
    folder: Path,
    *,
    now: int,
) -> None:
    """``folder/gentoo-DATE.tar.xz``, ``folder/distfiles/`` for what ``planned`` and the tables name."""
    dist = folder / "distfiles"
    dist.mkdir()
    date = time.strftime("%Y%m%d", time.gmtime(now))
    repository = folder / f"gentoo-{date}"
    shutil.copytree(here / "tree", repository)
    shutil.copytree(stage3 / "tree", repository, dirs_exist_ok=True)
    write_debs(apt, planned, here / "deb", here / "tree/eclass/deb.eclass", repository, dist)
    write_wheels(portage / "venv/bin/python", tables.wheels, here / "tree/eclass/wheel.eclass", repository, dist)
    _write_toy(here / "toy", repository, dist)
    listed = repository / "profiles/categories"  # those that only genpack-overlay has packages in
    here_too = {path.parents[1].name for path in repository.glob("*/*/*.ebuild")}
    categories = sorted(here_too | set(listed.read_text().split()))
    listed.write_text("".join(f"{name}\n" for name in categories))
    _fill_cache(repository, portage / "venv/bin", folder / "etc")
    commit = digest(repository)[:40]
    iso = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(now))
    (repository / "metadata/timestamp.commit").write_text(f"{commit} {now} {iso}\n")
    archive = folder / f"gentoo-{date}.tar"
    run(
        ["tar", "-C", folder, "--numeric-owner", "--owner=0", "--group=0", "--sort=name", f"--mtime=@{now}"]
        + ["-cf", archive, repository.name]
    )
    run(["xz", "-1", "-T2", archive])
    shutil.rmtree(repository)


def _write_toy(source: Path, repository: Path, dist: Path) -> None:
    archive = dist / f"{TOY}.tar.gz"
    run(
        ["tar", "-C", source, "--numeric-owner", "--owner=0", "--group=0", "--sort=name", "--mtime=@0"]
        + [f"--transform=s,^\\.,{TOY},", "--use-compress-program=gzip -n", "-cf", archive, "."]
    )
    for name in ("app-misc/toy", "app-misc/toy-broken"):
        (repository / name / "Manifest").write_text(manifest([archive]))


def _fill_cache(repository: Path, programs: Path, etc: Path) -> None:
    """metadata/md5-cache: without it every `emerge` sources each ebuild (18 s instead of 0.3 s)."""
    (etc / "etc/portage").mkdir(parents=True)
    (etc / "etc/portage/make.profile").symlink_to(repository / "profiles/default/linux/amd64/23.0/systemd")
    configuration = f"[DEFAULT]\nmain-repo = gentoo\n[gentoo]\nlocation = {repository}\n"
    run(
        [
            programs / "python",
            programs / "egencache",
            "--repo=gentoo",
            f"--repositories-configuration={configuration}",
            "--update",
            "--jobs=2",
        ],
        env={"PORTAGE_CONFIGROOT": str(etc), "PORTAGE_USERNAME": "root", "PORTAGE_GRPNAME": "root"},
    )
    shutil.rmtree(etc)
