# SPDX-License-Identifier: MIT
"""From finished results to the folder in Gentoo's mirror layout: signed, each file in place by a rename."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from .sign import Signer, digests_text, file_digest

_TOKEN = "amd64-systemd"


def place(source: Path, target: Path) -> None:
    """A hard link (else a copy) of ``source`` at ``target``, which is replaced in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.new")
    temporary.unlink(missing_ok=True)
    try:
        temporary.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, temporary)
    os.replace(temporary, target)


def publish_stage3(stage3: Path, made: int, mirror: Path, signer: Signer) -> None:
    """releases/amd64/autobuilds: the tarball with its signatures, and the pointer to it; older ones go."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(made))
    autobuilds = mirror / "releases/amd64/autobuilds"
    name = f"stage3-{_TOKEN}-{stamp}.tar.xz"
    target = autobuilds / stamp / name
    place(stage3 / "stage3.tar.xz", target)
    signer.detached(target, ".asc")
    signer.clear(target.with_name(name + ".DIGESTS"), digests_text(target))
    signer.clear(target.with_name(name + ".sha256"), f"{file_digest(target, 'sha256')}  {name}\n")
    pointer = autobuilds / f"latest-stage3-{_TOKEN}.txt"
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(made))
    text = f"# Latest as of {date}\n# ts={made}\n{stamp}/{name} {target.stat().st_size}\n"
    fresh = pointer.with_name(pointer.name + ".new")
    signer.clear(fresh, text)
    os.replace(fresh, pointer)
    for old in autobuilds.iterdir():
        if old.is_dir() and old.name != stamp:
            shutil.rmtree(old)


def publish_snapshot(snapshot: Path, mirror: Path, signer: Signer) -> None:
    """snapshots: the dated archive and ``latest``, each with signature and MD5 sum; distfiles."""
    (archive,) = snapshot.glob("gentoo-*.tar.xz")
    folder = mirror / "snapshots"
    if folder.exists():
        shutil.rmtree(folder)
    for name in (archive.name, "gentoo-latest.tar.xz"):
        target = folder / name
        place(archive, target)
        signer.detached(target, ".gpgsig")
        (folder / f"{name}.md5sum").write_text(f"{file_digest(target, 'md5')}  {name}\n")


def publish_distfiles(sources: list[Path], mirror: Path) -> None:
    """distfiles: exactly the files of ``sources``."""
    wanted = {path.name: path for source in sources for path in (source / "distfiles").iterdir()}
    folder = mirror / "distfiles"
    for name, path in wanted.items():
        place(path, folder / name)
    for path in folder.iterdir():
        if path.name not in wanted:
            path.unlink()


def publish_overlay(suite: Path, mirror: Path) -> None:
    """The copy of genpack-overlay."""
    target, fresh = mirror / "genpack-overlay", mirror / ".genpack-overlay.new"
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(suite / "genpack-overlay", fresh, symlinks=True)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
