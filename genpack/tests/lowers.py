# SPDX-License-Identifier: MIT
"""A made-up lower layer: Portage's database and repositories, as far as genpack reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

COMMIT = "1c0226fca9d302f11e7769263e9422407e7a7fbe"
EPOCH = 1700000000


def add_package(
    root: Path,
    cpv: str,
    fields: Mapping[str, str],
    *,
    src_uri: str | None = None,
    contents: str = "",
    repository: str = "gentoo",
) -> None:
    """An installed package with the fields of its database entry (LICENSE, HOMEPAGE, USE, ...)."""
    folder = root / "var/db/pkg" / cpv
    folder.mkdir(parents=True)
    for name, value in {"SLOT": "0", "repository": repository, **fields}.items():
        (folder / name).write_text(f"{value}\n")
    (folder / "CONTENTS").write_text(contents)
    if src_uri is not None:
        cache = root / "var/db/repos" / repository / "metadata/md5-cache" / cpv
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text(f"EAPI=8\nSRC_URI={src_uri}\nSLOT=0\n")


def add_manifest(root: Path, package: str, archives: Mapping[str, bytes], repository: str = "gentoo") -> None:
    """The Manifest of a package with its archives' contents."""
    folder = root / "var/db/repos" / repository / package
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f"DIST {name} {len(data)} BLAKE2B {hashlib.blake2b(data).hexdigest()} SHA512 {hashlib.sha512(data).hexdigest()}"
        for name, data in archives.items()
    ]
    (folder / "Manifest").write_text("\n".join(lines) + "\n")


def make(root: Path) -> Path:
    """A lower layer with three packages: a/lib-1.0-r1, a/tool-2.0_p1 and b+c/odd_name-3."""
    gentoo = root / "var/db/repos/gentoo"
    for name in ("licenses", "metadata", "profiles"):
        (gentoo / name).mkdir(parents=True)
    (gentoo / "licenses/odd-eula").write_text("You may look at it.\n")
    (gentoo / "metadata/timestamp.commit").write_text(f"{COMMIT} {EPOCH} 2023-11-14T22:13:20+00:00\n")
    (gentoo / "profiles/thirdpartymirrors").write_text("gnu https://gnu.invalid/gnu/ https://other.invalid/gnu\n")
    (root / "usr/lib").mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    add_package(
        root,
        "a/lib-1.0-r1",
        {"LICENSE": "|| ( GPL-2+ odd-eula ) doc? ( FDL-1.3 )", "USE": "doc ssl", "HOMEPAGE": "https://lib.invalid/"},
        src_uri="mirror://gnu/lib/lib-1.0.tar.xz doc? ( https://lib.invalid/d/v1.tar.gz -> lib-doc.tar.gz )"
        " test? ( https://lib.invalid/t.tar.gz )",
        contents="dir /lib\nobj /lib/lib.so.1 0123 1\nsym /lib/lib.so -> lib.so.1 1\n"
        "obj /usr/lib/with a space 4567 1\n",
    )
    add_manifest(root, "a/lib", {"lib-1.0.tar.xz": b"lib", "lib-doc.tar.gz": b"doc", "t.tar.gz": b"no"})
    add_package(
        root,
        "a/tool-2.0_p1",
        {"LICENSE": "MIT", "DESCRIPTION": "A tool", "HOMEPAGE": "ftp://one two"},
        src_uri="https://x.invalid/tool-2.0.tar.gz",
        contents="obj /usr/bin/tool 0123 1\nobj /usr/bin/gone 0123 1\n",
    )
    add_package(root, "b+c/odd_name-3", {"LICENSE": ""}, repository="genpack-overlay")
    return root


#: /.genpack/packages of an image with all of them.
PACKAGES = """\
a/lib-1.0-r1[0/1]
# NEEDED_BY: a/tool-2.0_p1 b+c/odd_name-3
# USE: doc ssl
# HOMEPAGE: https://lib.invalid/
# LICENSE: || ( GPL-2+ odd-eula ) doc? ( FDL-1.3 )

a/tool-2.0_p1[0]
# NEEDED_BY: @genpack-runtime
# DESCRIPTION: A tool
# LICENSE: MIT

b+c/odd_name-3[0]
# NEEDED_BY: @profile

"""
