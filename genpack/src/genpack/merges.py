# SPDX-License-Identifier: MIT
"""Merges that did not finish: what Portage takes for installed, and is not whole.

Portage enters a package in its database before it runs pkg_postinst, so a kill in between loses file capabilities and
the like without a word; a package that it was removing stays entered until most of its files are gone. emerge.log tells
both: each has a line when it begins and another when it is done (_emerge/MergeListItem.py, EbuildMerge.py, unmerge.py).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

LOG = "var/log/emerge.log"
DATABASE = "var/db/pkg"
#: Database entries that are being written; Portage looks past them.
UNFINISHED = "*/-MERGING-*"

_VERSION = re.compile(r"-\d[^-/]*(-r\d+)?$")
_LINES = {
    "merging": re.compile(r"\d+:\s+>>> emerge \(\d+ of \d+\) (\S+) to "),
    "merged": re.compile(r"\d+:\s+::: completed emerge \(\d+ of \d+\) (\S+) to "),
    "removing": re.compile(r"\d+:\s+=== Unmerging\.\.\. \((\S+)\)"),
    "removed": re.compile(r"\d+:\s+>>> unmerge success: (\S+)"),
}


def begun(lines: Iterable[str]) -> list[str]:
    """Packages (category/name-version) whose last merge or removal began and is not done."""
    merging: set[str] = set()
    removing: set[str] = set()
    for line in lines:
        for kind, pattern in _LINES.items():
            if found := pattern.match(line):
                chosen = merging if kind in {"merging", "merged"} else removing
                (chosen.add if kind.endswith("ing") else chosen.discard)(found[1])
    return sorted(merging | removing)


def unfinished(lower: Path) -> list[str]:
    """Atoms of packages that Portage takes for installed and that must be merged again: category/name:slot, since
    --reinstall-atoms takes no versions."""
    try:
        lines = (lower / LOG).read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    found = set()
    for package in begun(lines):
        slot = lower / DATABASE / package / "SLOT"
        if slot.is_file():
            found.add(f"{_VERSION.sub('', package)}:{slot.read_text().strip().partition('/')[0]}")
    return sorted(found)


def forget_unfinished(lower: Path) -> None:
    """Removes database entries that were being written; only while no emerge runs."""
    for entry in (lower / DATABASE).glob(UNFINISHED):
        shutil.rmtree(entry)
