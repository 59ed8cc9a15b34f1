# SPDX-License-Identifier: MIT
"""Debian packages through a private copy of this machine's own apt sources."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from .process import MirrorError, run


def codename() -> str:
    """This Debian's code name, from os-release."""
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise MirrorError("/etc/os-release names no VERSION_CODENAME: the mirror is made on Debian 12")


def distribution_sources(folder: Path, release: str) -> dict[str, str]:
    """The apt source files of ``folder`` (an ``etc/apt``) reduced to the entries of ``release`` and its suites.

    Entries of other vendors (another suite name) are left out: their packages are not Debian's.
    """
    found: dict[str, str] = {}
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        if not path.is_file():
            continue
        text = path.read_text(errors="replace")
        if path.suffix == ".sources":
            stanzas = [s for s in re.split(r"\n\s*\n", text) if re.search(rf"(?mi)^Suites:.*\b{release}\b", s)]
            kept = "\n\n".join(s.strip("\n") for s in stanzas if not re.search(r"(?mi)^Enabled:\s*no", s))
        elif path.suffix == ".list":
            one_line = rf"^\s*deb\s+(\[[^]]*\]\s*)?\S+\s+{release}(-security|-updates|-backports|/updates)?/?\s"
            kept = "\n".join(line for line in text.splitlines() if re.match(one_line, line))
        else:
            continue
        if kept:
            found[path.name] = kept + "\n"
    return found


@dataclass(frozen=True)
class Package:
    """What apt's index says of a package."""

    name: str
    version: str
    filename: str
    depends: str
    description: str


class StaleLists(MirrorError):
    """A package of the lists could not be had: a newer version has replaced it."""


class Apt:
    """A private apt state below ``root``: nothing of the machine's own apt is changed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.release = codename()
        etc = root / "etc"
        shutil.rmtree(etc, ignore_errors=True)
        (etc / "sources.list.d").mkdir(parents=True)
        sources = distribution_sources(Path("/etc/apt"), self.release)
        if not sources:
            raise MirrorError(f"no apt source of this machine names the suite {self.release}")
        for name, text in sources.items():
            (etc / "sources.list.d" / (name if name != "sources.list" else "main.list")).write_text(text)
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "status").touch()
        self.options = [
            f"-oDir::Etc={etc}",
            f"-oDir::State={root / 'state'}",
            f"-oDir::Cache={root / 'cache'}",
            f"-oDir::State::status={root / 'status'}",
            "-oDir::Etc::trustedparts=/etc/apt/trusted.gpg.d",
            "-oAPT::Sandbox::User=root",
            "-oAPT::Install-Recommends=false",
        ]
        self._index: dict[str, Package] = {}

    def source_files(self) -> list[Path]:
        """The private copies of the source files, as mmdebstrap takes them."""
        return sorted((self.root / "etc/sources.list.d").iterdir())

    def update(self) -> None:
        """Fetch the package lists."""
        run(["apt-get", *self.options, "-qq", "update"])
        (self.root / "state/.done").write_text(f"{time.time_ns()}")
        self._index = {}

    def lists_id(self) -> str:
        """Names this state of the package lists, which are fetched if there are none."""
        stamp = self.root / "state/.done"
        if not stamp.exists():
            self.update()
        return stamp.read_text()

    def resolve(self, names: Iterable[str]) -> list[str]:
        """``package=version`` of everything that installing ``names`` on a minimal system brings, sorted."""
        output = run(
            ["apt-get", *self.options, "-qq", "-s", "install", "?essential", "?priority(required)", "apt", *names]
        )
        return sorted(f"{name}={version}" for name, version in re.findall(r"(?m)^Inst (\S+) \((\S+)", output))

    def index(self) -> dict[str, Package]:
        """Every package of the lists; of several versions apt's candidate, the newest, wins."""
        if not self._index:
            for stanza in run(["apt-cache", *self.options, "dumpavail"]).split("\n\n"):
                field = dict(re.findall(r"(?m)^([A-Za-z-]+): (.*)$", stanza))
                if "Package" not in field:
                    continue
                depends = ", ".join(filter(None, (field.get("Pre-Depends"), field.get("Depends"))))
                package = Package(
                    field["Package"],
                    field["Version"],
                    field["Filename"],
                    depends,
                    field.get("Description-en") or field.get("Description", ""),
                )
                known = self._index.get(package.name)
                if known is None or _newer(package.version, known.version):
                    self._index[package.name] = package
        return self._index

    def download(self, packages: Iterable[Package], folder: Path) -> None:
        """The .deb files of ``packages`` into ``folder``, named as in the archive's pool."""
        missing = [p for p in packages if not (folder / Path(p.filename).name).exists()]
        if not missing:
            return
        fresh = self.root / "download"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        try:
            run(["apt-get", *self.options, "-q", "download", *(f"{p.name}={p.version}" for p in missing)], cwd=fresh)
        except MirrorError as error:
            raise StaleLists(str(error)) from error
        for package in missing:
            # apt writes an epoch into the file name (as %3a), the pool does not
            got = next(f for f in fresh.iterdir() if unquote(f.name).startswith(f"{package.name}_{package.version}_"))
            got.rename(folder / Path(package.filename).name)


def _newer(left: str, right: str) -> bool:
    if left == right:
        return False
    try:
        run(["dpkg", "--compare-versions", left, "gt", right])
    except MirrorError:
        return False
    return True
