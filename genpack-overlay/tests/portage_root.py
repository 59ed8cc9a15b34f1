# SPDX-License-Identifier: MIT
"""A faithful small root for real Portage: a master repository, this one, and installed packages."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from conftest import PACKAGE, PROGS

GENTOO = {
    "profiles/repo_name": "gentoo\n",
    "profiles/eapi": "8\n",
    "profiles/arch.list": "amd64\n",
    "profiles/categories": "app-shells\nnet-misc\nsys-apps\nsys-kernel\nsys-libs\nvirtual\n",
    "metadata/layout.conf": "masters =\nprofile-formats = portage-2\nthin-manifests = true\n",
    "profiles/default/linux/amd64/23.0/systemd/eapi": "8\n",
    "profiles/default/linux/amd64/23.0/systemd/make.defaults": 'ARCH="amd64"\nACCEPT_KEYWORDS="amd64"\n',
    "profiles/default/linux/amd64/23.0/systemd/packages": "*sys-libs/glibc\n",
}


@dataclass(frozen=True)
class Root:
    """The root's folder; `install` adds packages to its database."""

    path: Path

    @property
    def database(self) -> Path:
        """Portage of a virtual environment takes that for a prefix, below the root too."""
        return self.path / sys.prefix.lstrip("/") / "var/db/pkg"

    def install(self, cpv: str, *, contents: str = "", **fields: str) -> None:
        """Add an installed package. `fields` are files of its database entry, such as RDEPEND."""
        folder = self.database / cpv
        folder.mkdir(parents=True)
        values = {"SLOT": "0", "EAPI": "8", "USE": "", "IUSE": "", "RDEPEND": "", "PDEPEND": "", "INHERITED": "",
                  "CONTENTS": contents, "repository": "gentoo", "DESCRIPTION": f"about {cpv}", "LICENSE": "MIT",
                  "KEYWORDS": "amd64", "COUNTER": "1", "CATEGORY": folder.parent.name, "PF": folder.name, **fields}
        for name, value in values.items():
            (folder / name).write_text(f"{value}\n" if value else "")

    def write(self, name: str, text: str) -> None:
        """Write a file below the root."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program of genpack-progs on this root."""
        program = [sys.executable, str(PROGS / "bin" / argv[0]), "--root", str(self.path), *argv[1:]]
        return subprocess.run(program, capture_output=True, text=True, check=False)

    def python(self, code: str) -> str:
        """Run Python code with genpack_progs and this root; return what it prints."""
        env = {**os.environ, "ROOT": str(self.path), "PORTAGE_CONFIGROOT": str(self.path),
               "PYTHONPATH": str(PROGS / "progs")}
        return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout


def make(path: Path, *, profile: str = "genpack/amd64/paravirt") -> Root:
    """Make the root, with the profile of this repository selected and nothing installed."""
    root = Root(path)
    for name, text in GENTOO.items():
        root.write(f"var/db/repos/gentoo/{name}", text)
    overlay = path / "var/db/repos/genpack-overlay"
    overlay.symlink_to(PACKAGE)
    root.write("etc/portage/repos.conf", "[DEFAULT]\nmain-repo = gentoo\n" + "".join(
        f"[{name}]\nlocation = {path}/var/db/repos/{name}\n" for name in ("gentoo", "genpack-overlay")))
    root.write("etc/portage/sets/genpack-runtime", "")
    root.write("etc/portage/make.conf", 'FEATURES="-sandbox -usersandbox"\n')
    (path / "etc/portage/make.profile").symlink_to(f"../../var/db/repos/genpack-overlay/profiles/{profile}")
    root.database.mkdir(parents=True)
    return root
