# SPDX-License-Identifier: MIT
"""House rules that a reader of the text can check: licence lines, module sizes, package metadata."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
SOURCE = {".py", ".pyi", ".sh", ".cpp", ".hpp", ".c", ".h", ".ebuild", ".eclass", ".service", ".socket", ".toml"}
NOT_SOURCE = re.compile(r"^ci/formats/|(^|/)(Manifest|package\.use)|metadata/md5-cache/")


def files() -> list[Path]:
    """What git tracks or would track."""
    argv = ["git", "-C", str(REPO), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    out = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout
    paths = [REPO / name for name in out.split("\0") if name and not NOT_SOURCE.search(name)]
    return [p for p in paths if p.is_file() and not p.is_symlink()]


def head(path: Path) -> list[str]:
    with path.open("rb") as file:
        return [file.readline(200).decode(errors="replace") for _ in range(2)]


def test_first_line_is_the_licence() -> None:
    bad = []
    for path in files():
        first, second = head(path)
        script = first.startswith("#!")
        if (script or path.suffix in SOURCE or path.name == "CMakeLists.txt") and (
            "SPDX-License-Identifier: " not in (second if script else first)
        ):
            bad.append(str(path.relative_to(REPO)))
    assert bad == []


def test_no_module_is_larger_than_400_lines() -> None:
    code = [p for p in files() if p.suffix in {".py", ".cpp", ".c"}]
    assert len(code) > 50
    sizes = {str(p.relative_to(REPO)): len(p.read_text().splitlines()) for p in code}
    assert {name: size for name, size in sizes.items() if size > 400} == {}


def test_nothing_names_a_machine_or_a_registry() -> None:
    hosts = re.compile(r"deb\.debian\.org|pypi\.org|pythonhosted|registry\.npmjs|/work/(main|shared|team)\b")
    found = [
        str(p.relative_to(REPO))
        for p in files()
        if p.name != "test_sources.py" and hosts.search(p.read_text(errors="replace"))
    ]
    assert found == []


@pytest.mark.parametrize("path", sorted(REPO.glob("*/pyproject.toml")), ids=lambda p: p.parent.name)
def test_package(path: Path) -> None:
    data = tomllib.loads(path.read_text())
    project = data["project"]
    assert project["requires-python"] == ">=3.11"
    assert data["tool"]["mypy"]["strict"] is True
    changelog = (path.parent / "CHANGELOG.md").read_text()
    assert re.search(rf"^## {re.escape(project['version'])}\b", changelog, re.MULTILINE)
    for command in project.get("scripts", {}):
        assert list((path.parent / "man").glob(f"{command}.[1-9]")), f"no man page for {command}"
    assert list((path.parent / "tests").rglob("test_*.py"))
