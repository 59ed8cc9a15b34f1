# SPDX-License-Identifier: MIT
"""Reading dpkg's database of a root file system."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from pathlib import Path


def parse_status(text: str) -> dict[str, dict[str, str]]:
    """The installed packages of a dpkg status file: name -> fields (deb822)."""
    packages: dict[str, dict[str, str]] = {}
    for stanza in text.split("\n\n"):
        fields: dict[str, str] = {}
        key = ""
        for line in stanza.splitlines():
            if line[:1] in (" ", "\t"):
                fields[key] += "\n" + line
            else:
                key, _, value = line.partition(":")
                fields[key] = value.strip()
        if fields.get("Status", "").endswith(" installed"):
            packages[fields["Package"]] = fields
    return packages


def clauses(depends: str) -> list[list[str]]:
    """A Depends field as a list of alternatives: ``a (>= 1) | b, c`` -> ``[[a, b], [c]]``."""
    return [
        [re.split(r"[\s(:]", alternative.strip(), maxsplit=1)[0] for alternative in clause.split("|")]
        for clause in depends.replace("\n", " ").split(",")
        if clause.strip()
    ]


class Tree:
    """A root file system and who owns what in it. Paths are texts that start with a slash."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.packages = parse_status((root / "var/lib/dpkg/status").read_text(errors="replace"))
        self.provides: dict[str, list[str]] = defaultdict(list)
        for name, fields in self.packages.items():
            for (provided,) in (c[:1] for c in clauses(fields.get("Provides", ""))):
                self.provides[provided].append(name)
        self.files: dict[str, set[str]] = defaultdict(set)
        self.owner: dict[str, str] = {}
        self._folders: dict[str, str] = {"": ""}
        self._read_lists()

    def host(self, path: str) -> str:
        """Where ``path`` lies on this machine."""
        return f"{self.root}{path}"

    def canonical(self, path: str) -> str:
        """``path`` with the symbolic links of its folders resolved inside the root, its last part kept."""
        folder, _, name = path.rpartition("/")
        return f"{self._canonical_folder(folder)}/{name}"

    def _canonical_folder(self, folder: str) -> str:
        if folder not in self._folders:
            parent, _, name = folder.rpartition("/")
            full = f"{self._canonical_folder(parent)}/{name}"
            for _ in range(40):
                if not Path(self.host(full)).is_symlink():
                    break
                full = self.target(full)
            self._folders[folder] = full
        return self._folders[folder]

    def target(self, path: str) -> str:
        """What the symbolic link ``path`` points to, inside the root."""
        link = os.readlink(self.host(path))
        joined = link if link.startswith("/") else f"{path.rpartition('/')[0]}/{link}"
        return "/" + os.path.normpath(joined).lstrip("/")

    def add(self, package: str, path: str) -> None:
        """Say that ``package`` owns ``path``, if that exists."""
        path = self.canonical(path)
        if not os.path.lexists(self.host(path)):
            return
        self.files[package].add(path)
        if Path(self.host(path)).is_symlink() or not Path(self.host(path)).is_dir():
            self.owner.setdefault(path, package)

    def _read_lists(self) -> None:
        info = self.root / "var/lib/dpkg/info"
        diverted = _diversions((self.root / "var/lib/dpkg/diversions").read_text())
        for name, fields in self.packages.items():
            lists = [info / f"{name}.list", info / f"{name}:{fields['Architecture']}.list"]
            for line in next(path for path in lists if path.exists()).read_text().splitlines():
                if line in ("/.", "/"):
                    continue
                new_place, by = diverted.get(line, (line, name))
                self.add(name, line if by in (name, ":") else new_place)


def _diversions(text: str) -> dict[str, tuple[str, str]]:
    lines = text.splitlines()
    return {lines[i]: (lines[i + 1], lines[i + 2]) for i in range(0, len(lines) - 2, 3)}
