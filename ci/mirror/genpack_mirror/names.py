# SPDX-License-Identifier: MIT
"""Debian's package names and versions in the Package Manager Specification's terms."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: Category of the packages that have no Gentoo name of their own here.
FALLBACK_CATEGORY = "dev-debian"


def package_name(deb: str) -> str:
    """A Debian package name as a PMS package name (3.1.2): no dot, no end that looks like a version."""
    return re.sub(r"-(?=\d[0-9.]*[a-z]?$)", "_", deb.replace(".", "_"))


def package_version(version: str) -> str:
    """Debian's version as a PMS version: the epoch goes, leading numbers stay, the revision becomes ``-rN``."""
    upstream, _, revision = version.split(":", 1)[-1].partition("-")
    if revision:
        upstream, _, revision = version.split(":", 1)[-1].rpartition("-")
    number = re.match(r"\d+(\.\d+)*", upstream)
    rev = re.match(r"\d+", revision)
    base = number.group() if number else "0"
    return base + (f"-r{int(rev.group())}" if rev and int(rev.group()) else "")


def gentoo_name(deb: str, table: Mapping[str, str]) -> str:
    """``category/name`` of a Debian package: what the table says, else its own name in ``dev-debian``."""
    return table.get(deb) or f"{FALLBACK_CATEGORY}/{package_name(deb)}"
