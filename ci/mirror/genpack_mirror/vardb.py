# SPDX-License-Identifier: MIT
"""Portage's database of installed packages (/var/db/pkg) for a root file system that dpkg installed.

Each package also gets a placeholder ebuild of the same version in the "gentoo" repository: a rebuild of it installs
the very files that are there. Formats: portage(5), and PMS for the ebuild and its cache entry.
"""

from __future__ import annotations

import bz2
import hashlib
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .dpkg import Tree, clauses
from .names import gentoo_name, package_version
from .process import run
from .tables import Tables

_CHOST = "x86_64-pc-linux-gnu"
_IMPLICIT_USE = "amd64 elibc_glibc kernel_linux"
_PLACEHOLDER = """\
# Stand-in for {atom}: Debian's {debs} {version}, already part of the stage3.
EAPI=8
DESCRIPTION="{description}"
HOMEPAGE="https://deb.invalid/{deb}"
S="${{WORKDIR}}"
LICENSE="debian"
SLOT="0"
KEYWORDS="amd64"
RDEPEND="{rdepend}"

# a rebuild installs the very files that are there
src_install() {{
\tlocal path
\twhile read -r path; do
\t\t[[ -L ${{BROOT}}${{path}} || -f ${{BROOT}}${{path}} ]] || continue
\t\tmkdir -p "${{ED}}${{path%/*}}" && cp -a "${{BROOT}}${{path}}" "${{ED}}${{path}}" || die
\tdone < <(awk '$1 == "obj" || $1 == "sym" {{print $2}}' "${{BROOT}}/var/db/pkg/{cpf}/CONTENTS" 2>/dev/null)
}}
"""


@dataclass
class Installed:
    """One entry of the database."""

    atom: str
    version: str
    debs: list[str] = field(default_factory=list)
    deb_version: str = ""
    description: str = ""
    rdepend: list[str] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)

    @property
    def cpf(self) -> str:
        """category/name-version"""
        return f"{self.atom}-{self.version}"


def from_dpkg(tree: Tree, tables: Tables) -> list[Installed]:
    """The packages of ``tree`` under their Gentoo names; several Debian packages may be one of Gentoo's."""
    merged: dict[str, Installed] = {}
    for deb, fields in tree.packages.items():
        atom = gentoo_name(deb, tables.names)
        entry = merged.setdefault(atom, Installed(atom, package_version(fields["Version"])))
        if not entry.debs:
            entry.deb_version, entry.description = fields["Version"], fields.get("Description", deb).split("\n")[0]
        entry.debs.append(deb)
        entry.paths |= tree.files[deb]
        for dependency in _dependencies(tree, fields, tables):
            if dependency != atom and dependency not in entry.rdepend:
                entry.rdepend.append(dependency)
    return [merged[atom] for atom in sorted(merged)]


def _dependencies(tree: Tree, fields: dict[str, str], tables: Tables) -> Iterable[str]:
    for alternatives in clauses(f"{fields.get('Pre-Depends', '')},{fields.get('Depends', '')}"):
        for name in alternatives:
            if name in tables.dropped:
                break
            real = name if name in tree.packages else next(iter(tree.provides.get(name, ())), None)
            if real:
                yield gentoo_name(real, tables.names)
                break


@dataclass(frozen=True)
class Elf:
    """What scanelf says of a file."""

    soname: str
    rpath: str
    needed: str


def scan_elf(root: Path) -> dict[str, Elf]:
    """Every x86-64 ELF file below /usr and /opt of ``root``: preserve-libs and the soname checks want to know."""
    output = run(["chroot", root, "scanelf", "-qyRBF", "%a;%F;%S;%r;%n", "/usr", "/opt"])
    found = {}
    for line in output.splitlines():
        parts = [("" if part.strip() == "-" else part.strip()) for part in line.split(";")]
        if len(parts) >= 5 and parts[0].startswith("EM_X86_64"):
            found[parts[1]] = Elf(parts[2], parts[3], parts[4])
    return found


def contents(tree: Tree, paths: Iterable[str]) -> tuple[str, int]:
    """The text of CONTENTS for ``paths`` and all their folders, and the size of the files in bytes."""
    everything = set(paths)
    for path in list(everything):
        while (path := path.rpartition("/")[0]) != "":
            everything.add(path)
    lines, size = [], 0
    for path in sorted(everything):
        info = os.lstat(tree.host(path))
        if stat.S_ISLNK(info.st_mode):
            lines.append(f"sym {path} -> {os.readlink(tree.host(path))} {int(info.st_mtime)}")
        elif stat.S_ISDIR(info.st_mode):
            lines.append(f"dir {path}")
        elif stat.S_ISREG(info.st_mode):
            md5 = hashlib.md5(Path(tree.host(path)).read_bytes(), usedforsecurity=False).hexdigest()
            lines.append(f"obj {path} {md5} {int(info.st_mtime)}")
            size += info.st_size
    return "\n".join(lines) + "\n", size


def write(tree: Tree, packages: list[Installed], repository: Path, *, build_time: int) -> None:
    """Write the database into the tree, placeholder ebuilds and the ``seed`` profile into ``repository``."""
    elf = scan_elf(tree.root)
    for counter, package in enumerate(packages, 1):
        ebuild = _PLACEHOLDER.format(
            atom=package.atom,
            debs=" ".join(package.debs) or package.atom,
            deb=(package.debs or [package.atom])[0],
            version=package.deb_version,
            description=re.sub(r'["`$\\]', "", package.description),
            rdepend=" ".join(package.rdepend),
            cpf=package.cpf,
        )
        _write_installed(tree, package, ebuild, elf, counter, build_time)
        _write_placeholder(repository, package, ebuild)
    counter_file = tree.root / "var/cache/edb/counter"
    counter_file.parent.mkdir(parents=True, exist_ok=True)
    counter_file.write_text(str(len(packages)))
    # @system is every seed package: `emerge --depclean` must not eat the stage3
    seed = repository / "profiles/seed"
    seed.mkdir(parents=True)
    (seed / "eapi").write_text("8\n")
    (seed / "packages").write_text("".join(f"*{package.atom}\n" for package in packages))


def _write_installed(
    tree: Tree, package: Installed, ebuild: str, elf: dict[str, Elf], counter: int, build_time: int
) -> None:
    category, _, name = package.cpf.partition("/")
    folder = tree.root / "var/db/pkg" / category / name
    folder.mkdir(parents=True)
    text, size = contents(tree, package.paths)
    homepage = f"https://deb.invalid/{(package.debs or [package.atom])[0]}"
    values = {
        "BUILD_TIME": str(build_time), "CATEGORY": category, "CBUILD": _CHOST, "CHOST": _CHOST, "CONTENTS": text,
        "COUNTER": str(counter), "DEBIAN": f"{' '.join(package.debs)} {package.deb_version}",
        "DEFINED_PHASES": "install",
        "DESCRIPTION": package.description, "EAPI": "8", "HOMEPAGE": homepage, "IUSE_EFFECTIVE": _IMPLICIT_USE,
        "KEYWORDS": "amd64", "LICENSE": "debian", "PF": name, "RDEPEND": " ".join(package.rdepend), "SIZE": str(size),
        "SLOT": "0", "USE": _IMPLICIT_USE, "repository": "gentoo", **_elf_values(package, elf),
    }  # fmt: skip
    for key, value in values.items():
        if value:
            (folder / key).write_text(value if value.endswith("\n") else value + "\n")
    (folder / f"{name}.ebuild").write_text(ebuild)
    environment = f"declare -x CATEGORY={category}\ndeclare -x PF={name}\nEAPI=8\nSLOT=0\n"
    (folder / "environment.bz2").write_bytes(bz2.compress(environment.encode()))


def _elf_values(package: Installed, elf: dict[str, Elf]) -> dict[str, str]:
    mine = {path: elf[path] for path in sorted(package.paths) if path in elf}
    if not mine:
        return {}
    provides = sorted({e.soname for e in mine.values() if e.soname})
    requires = sorted({n for e in mine.values() for n in e.needed.split(",") if n} - set(provides))
    return {
        "NEEDED": "\n".join(f"{path} {e.needed}" for path, e in mine.items()),
        "NEEDED.ELF.2": "\n".join(f"X86_64;{p};{e.soname};{e.rpath};{e.needed};x86_64" for p, e in mine.items()),
        "PROVIDES": f"x86_64: {' '.join(provides)}" if provides else "",
        "REQUIRES": f"x86_64: {' '.join(requires)}" if requires else "",
    }


def _write_placeholder(repository: Path, package: Installed, ebuild: str) -> None:
    category, _, name = package.cpf.partition("/")
    folder = repository / package.atom
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.ebuild").write_text(ebuild)
    cache = repository / "metadata/md5-cache" / category
    cache.mkdir(parents=True, exist_ok=True)
    known = dict(re.findall(r'(?m)^(DESCRIPTION|EAPI|HOMEPAGE|KEYWORDS|LICENSE|RDEPEND|SLOT)="?(.*?)"?$', ebuild))
    lines = [f"{key}={value}" for key, value in sorted(known.items()) if value]
    md5 = hashlib.md5(ebuild.encode(), usedforsecurity=False).hexdigest()
    (cache / name).write_text("DEFINED_PHASES=install\n" + "\n".join(lines) + f"\n_md5_={md5}\n")
