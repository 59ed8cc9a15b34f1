# SPDX-License-Identifier: MIT
"""The packages of an image, as Portage's data in the lower layer describe them: the database of installed packages
(/var/db/pkg), the ebuild repositories' metadata caches, Manifests and licence texts (/var/db/repos)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from genpack import depstring
from genpack.errors import GenpackError

#: Package Manager Specification, 3.2: NAME-VERSION.
_PF = re.compile(r"(?P<name>.+?)-(?P<version>\d+(?:\.\d+)*[a-z]?(?:_(?:alpha|beta|pre|rc|p)\d*)*(?:-r\d+)?)")


@dataclass(frozen=True)
class Source:
    """A source archive. `uri` is empty if there is none; `hashes`: Manifest's name of the algorithm -> hex digest."""

    file: str
    uri: str
    size: int | None
    hashes: Mapping[str, str]


@dataclass(frozen=True)
class Installed:
    """An installed package; empty where it says nothing. `license` is as the ebuild has it, `use` what is enabled."""

    category: str
    name: str
    version: str
    slot: str
    repository: str
    description: str
    homepages: tuple[str, ...]
    license: str
    use: frozenset[str]

    @property
    def cpv(self) -> str:
        return f"{self.category}/{self.name}-{self.version}"


def split(cpv: str) -> tuple[str, str, str]:
    """(category, name, version with revision) of `category/name-version`. Raises GenpackError."""
    category, slash, rest = cpv.partition("/")
    found = _PF.fullmatch(rest)
    if not slash or found is None:
        raise GenpackError(f"'{cpv}' is no package name with a version", tip="is /.genpack/packages damaged?")
    return category, found["name"], found["version"]


class Database:
    """Reads below the lower layer's root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "var/db/pkg"
        self.repositories = root / "var/db/repos"

    def package(self, cpv: str) -> Installed:
        """Raises GenpackError if it is not installed."""
        folder = self.folder / cpv
        if not folder.is_dir():
            raise GenpackError(f"{cpv} is not in the lower layer", tip="build again with 'genpack build'")

        def read(name: str) -> str:
            try:
                return " ".join((folder / name).read_text(encoding="utf-8", errors="replace").split())
            except FileNotFoundError:
                return ""

        category, name, version = split(cpv)
        slot, repository, homepages = read("SLOT"), read("repository"), tuple(read("HOMEPAGE").split())
        text, licence, use = read("DESCRIPTION"), read("LICENSE"), frozenset(read("USE").split())
        return Installed(category, name, version, slot, repository, text, homepages, licence, use)

    def sources(self, package: Installed) -> list[Source]:
        """The archives that the package was made from, in the order of SRC_URI. Empty if the repository's metadata
        cache does not know this version."""
        place = self.repositories / package.repository
        text = self._src_uri(place, package.cpv)
        try:
            words = list(depstring.leaves(depstring.parse(text, package.use)))
        except ValueError:
            return []
        hashes = _manifest(place / package.category / package.name / "Manifest")
        found: dict[str, Source] = {}
        for index, word in enumerate(words):
            if word == "->" or (index and words[index - 1] == "->"):
                continue
            renamed = words[index + 2] if words[index + 1 : index + 2] == ["->"] and len(words) > index + 2 else ""
            file = renamed or word.rsplit("/", 1)[-1]
            size, digests = hashes.get(file, (None, {}))
            found.setdefault(file, Source(file, self._uri(word), size, digests))
        return list(found.values())

    @staticmethod
    def _src_uri(place: Path, cpv: str) -> str:
        try:
            text = (place / "metadata/md5-cache" / cpv).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return next((line[len("SRC_URI=") :] for line in text.splitlines() if line.startswith("SRC_URI=")), "")

    def _uri(self, word: str) -> str:
        """Where the archive is from; mirror://NAME/ is the first of the mirrors of that name."""
        if "://" not in word:
            return ""
        uri = re.sub(r"^(fetch|mirror)\+", "", word)
        if uri.startswith("mirror://"):
            name, _, path = uri[len("mirror://") :].partition("/")
            return f"{self._mirrors[name].rstrip('/')}/{path}" if name in self._mirrors else ""
        return uri

    @cached_property
    def _mirrors(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for file in sorted(self.repositories.glob("*/profiles/thirdpartymirrors")):
            for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
                words = line.split()
                if len(words) > 1 and not words[0].startswith("#"):
                    found.setdefault(words[0], words[1])
        return found

    def licence_text(self, name: str, repository: str) -> str:
        """The text of a licence from the package's repository, else from any; empty if none has it."""
        for place in (self.repositories / repository, *sorted(self.repositories.glob("*"))):
            file = place / "licenses" / name
            if file.is_file():
                return file.read_text(encoding="utf-8", errors="replace")
        return ""

    def contents(self, cpv: str) -> Iterator[str]:
        """Files and symlinks that a package owns, relative to the root, their parents resolved."""
        file = self.folder / cpv / "CONTENTS"
        if not file.is_file():
            return
        for line in file.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            kind, _, rest = line.partition(" ")
            if kind == "obj":
                path = rest.rsplit(" ", 2)[0]
            elif kind == "sym":
                path = rest.partition(" -> ")[0]
            else:
                continue
            folder, _, name = path.rpartition("/")
            yield f"{self._real(folder)}/{name}".lstrip("/")

    def _real(self, folder: str) -> str:
        """A folder's path after the links that lead there (/lib -> usr/lib), seen from the root."""
        if folder in ("", "/"):
            return ""
        if folder not in self._resolved:
            parent, _, name = folder.rpartition("/")
            real = f"{self._real(parent)}/{name}"
            try:
                target = os.readlink(f"{self.root}{real}")
            except OSError:
                target = ""
            self._resolved[folder] = real
            if target:
                where = target if target.startswith("/") else f"{self._real(parent)}/{target}"
                self._resolved[folder] = self._real(os.path.normpath(where))
        return self._resolved[folder]

    @cached_property
    def _resolved(self) -> dict[str, str]:
        return {}


def _manifest(file: Path) -> dict[str, tuple[int, dict[str, str]]]:
    """Archive -> (size, hashes): the lines `DIST NAME SIZE ALGORITHM HASH ...` (GLEP 74)."""
    found: dict[str, tuple[int, dict[str, str]]] = {}
    if file.is_file():
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            words = line.split()
            if len(words) > 4 and words[0] == "DIST" and words[2].isdecimal():
                found[words[1]] = int(words[2]), dict(zip(words[3::2], words[4::2], strict=False))
    return found
