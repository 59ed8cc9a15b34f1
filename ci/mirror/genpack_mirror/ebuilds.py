# SPDX-License-Identifier: MIT
"""Ebuilds of the "gentoo" repository: Debian's .debs and PyPI's wheels repackaged, with thin Manifests."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from .apt import Apt
from .plan import DebEbuild
from .process import run
from .store import digest
from .tables import Wheel

_DEB = """\
# Made from Debian's {debs} {version}.
EAPI=8
inherit deb
DESCRIPTION="{description}"
HOMEPAGE="https://deb.invalid/{deb}"
SRC_URI="{uris}"
LICENSE="debian"
SLOT="0"
KEYWORDS="amd64"
RDEPEND="{rdepend}"
{extra}"""
_WHEEL = """\
# The wheel of {distribution} {version} from PyPI.
EAPI=8
inherit wheel
DESCRIPTION="{distribution}"
HOMEPAGE="https://pypi.invalid/project/{distribution}"
SRC_URI="https://pypi.invalid/{file}"
LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"
RDEPEND="{rdepend}"
"""


def manifest(files: Iterable[Path]) -> str:
    """A thin Manifest (GLEP 74) of distfiles."""
    lines = []
    for path in sorted(files, key=lambda p: p.name):
        data = path.read_bytes()
        blake, sha = hashlib.blake2b(data).hexdigest(), hashlib.sha512(data).hexdigest()
        lines.append(f"DIST {path.name} {len(data)} BLAKE2B {blake} SHA512 {sha}\n")
    return "".join(lines)


def content_revision(*parts: str | bytes | Path) -> str:
    """``-rN`` from the content: Portage reuses a binary package of the same revision, whatever the ebuild says."""
    return f"-r{int(digest(*parts)[:7], 16) + 1}"


def write_debs(apt: Apt, planned: list[DebEbuild], extras: Path, eclass: Path, repository: Path, dist: Path) -> None:
    """Write the ebuilds below ``repository`` and their .debs into ``dist``; ``extras``/CATEGORY/NAME.inc is added."""
    apt.download([package for entry in planned for package in entry.debs], dist)
    for entry in planned:
        extra = extras / f"{entry.atom}.inc"
        text = _DEB.format(
            debs=" ".join(package.name for package in entry.debs),
            deb=entry.debs[0].name,
            version=entry.debs[0].version,
            description=re.sub(r'["`$\\]', "", entry.debs[0].description),
            uris="\n\t".join(f"https://deb.invalid/{package.filename}" for package in entry.debs),
            rdepend=" ".join(entry.rdepend),
            extra=extra.read_text().replace("@KERNEL_RELEASE@", entry.kernel_release) if extra.exists() else "",
        )
        files = [dist / Path(package.filename).name for package in entry.debs]
        revision = content_revision(text, eclass, *(package.version for package in entry.debs))
        _write(repository, entry.atom, entry.version + revision, text, files)
        if entry.kernel_release:
            _write_dist_kernel(repository, entry.version)


def _write(repository: Path, atom: str, version: str, text: str, files: Iterable[Path]) -> None:
    folder = repository / atom
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{folder.name}-{version}.ebuild").write_text(text)
    (folder / "Manifest").write_text(manifest(files))


def _write_dist_kernel(repository: Path, version: str) -> None:
    text = (
        'EAPI=8\nDESCRIPTION="Virtual to depend on any distribution kernel"\n'
        'HOMEPAGE="https://wiki.gentoo.org/wiki/Project:Distribution_Kernel"\nSLOT="0"\nKEYWORDS="amd64"\n'
        'RDEPEND="|| ( ~sys-kernel/gentoo-kernel-${PV} ~sys-kernel/gentoo-kernel-bin-${PV} )"\n'
    )
    folder = repository / "virtual/dist-kernel"
    folder.mkdir(parents=True)
    (folder / f"dist-kernel-{version}.ebuild").write_text(text)


def write_wheels(python: Path, wheels: tuple[Wheel, ...], eclass: Path, repository: Path, dist: Path) -> None:
    """Download the pinned wheels with pip of ``python`` into ``dist`` and write an ebuild for each."""
    fresh = dist / ".wheels"
    shutil.rmtree(fresh, ignore_errors=True)
    run(
        [python, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", fresh]
        + [f"{w.distribution}=={w.version}" for w in wheels]
    )
    for wheel in wheels:
        stem = re.sub(r"[-_.]+", "_", wheel.distribution)
        (path,) = (f for f in fresh.iterdir() if f.name.lower().startswith(f"{stem}-{wheel.version}-"))
        text = _WHEEL.format(
            distribution=wheel.distribution, version=wheel.version, file=path.name, rdepend=" ".join(wheel.depends)
        )
        target = dist / path.name
        path.replace(target)
        _write(repository, wheel.atom, wheel.version + content_revision(text, eclass), text, [target])
    fresh.rmdir()
