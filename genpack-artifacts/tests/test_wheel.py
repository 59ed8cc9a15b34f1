# SPDX-License-Identifier: MIT
"""Every artifact of the checkout travels in the wheel, and each is well-formed."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

from genpack_artifacts import artifacts, data, files

PACKAGE = Path(__file__).resolve().parents[1]
IN_CHECKOUT = [f.name for f in artifacts.folders(PACKAGE)]


def test_every_artifact_is_in_the_wheel_and_the_readme() -> None:
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    expected = {name: f"genpack_artifacts/artifacts/{name}" for name in IN_CHECKOUT}
    assert included == expected | {name: f"genpack_artifacts/{name}" for name in ("stencils", "templates")}
    listed = re.findall(r"^\| \[([\w-]+)\]\(\1/\) \|", (PACKAGE / "README.md").read_text(), re.MULTILINE)
    assert listed == IN_CHECKOUT


def test_installed_copy_is_whole() -> None:
    """In an installed package: same files, same modes, as the checkout's."""
    base = data.folder("artifacts")
    assert [f.name for f in artifacts.folders(base)] == IN_CHECKOUT

    def content(root: Path) -> dict[str, tuple[bytes, bool]]:
        found = (root / p for p in files.tree(root) if p.name != "genpack.lock" and p.suffix != ".squashfs")
        return {str(p.relative_to(root)): (p.read_bytes(), os.access(p, os.X_OK)) for p in found if p.is_file()}

    for name in IN_CHECKOUT:
        assert content(base / name) == content(PACKAGE / name)
    for name in ("stencils", "templates"):
        assert content(data.folder(name)) == content(PACKAGE / name)


def test_every_artifact_reads() -> None:
    for name in IN_CHECKOUT:
        assert artifacts.read(PACKAGE / name).name == name
