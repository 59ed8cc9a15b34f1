# SPDX-License-Identifier: MIT
"""ci/ calls nothing but what a minimal Debian has or ci/apt-packages.txt installs; every Python tool is pinned."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import called
import pytest

CI = Path(__file__).resolve().parents[1]
REPO = CI.parent

#: This repository's own commands, which ci/setup installs.
OURS = {"genpack", "vm", "genpack-init", "genpack-install", "genpack-artifacts"}
#: These tests' own examples.
FIXTURES = ("tests/",)


def pins() -> dict[str, str]:
    """Version of every Python package in ci/constraints.txt, by its name in lower case."""
    lines = (CI / "constraints.txt").read_text().splitlines()
    return dict(line.lower().split("==") for line in lines if line and not line.startswith("#"))


def apt_packages() -> list[str]:
    lines = (CI / "apt-packages.txt").read_text().splitlines()
    return [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]


def test_list_is_sorted_and_without_repeats() -> None:
    packages = apt_packages()
    assert packages == sorted(set(packages))


def test_every_command_is_in_the_list_or_in_a_minimal_system() -> None:
    allowed = called.closure(set(apt_packages())) | called.minimal_system()
    bad: list[str] = []
    owners: dict[str, str | None] = {}
    calls = called.all_calls(CI, leave_out=FIXTURES)
    assert len(calls) > 20, "the reader finds no commands any more"
    for file, line, command in calls:
        if command in OURS or command in pins():  # the tools among the pinned packages run from their environment
            continue
        package = owners.setdefault(command, called.owner(command))
        if package is None:
            bad.append(f"{file}:{line}: {command}: no Debian package installed here has it")
        elif package not in allowed:
            bad.append(f"{file}:{line}: {command}: of package {package}, which is not in ci/apt-packages.txt")
    assert bad == []


def test_reader_sees_shell(tmp_path: Path) -> None:
    script = tmp_path / "a"
    script.write_text(
        "#!/bin/bash\n# comment-command\nf() { in-function; }\nf x\nA=1 with-assignment 'quoted; no'\n"
        'x=$(substituted "$(nested)") || alternative | piped\nif cond; then then_branch; fi\n'
        'cat <<EOF\nno-heredoc\nEOF\n"$VARIABLE/bin/pip" install\nexec replaced\nenv A=1 wrapped\n'
        'case $x in a) in-case ;; esac\necho "$(in-quotes)" >&2\n'
    )
    found = {command for _, _, command in called.all_calls(tmp_path)}
    assert found == {
        "in-function", "with-assignment", "substituted", "nested", "alternative", "piped", "cond", "then_branch", "cat",
        "replaced", "env", "wrapped", "in-case", "in-quotes",
    }  # fmt: skip


def test_reader_sees_python(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "subprocess.run(['one', 'x'])\nargv = ['two']\nargv: list[str] = ['three', y]\nshutil.which('four')\n"
        "run((*x, 'no'))\nother = ['no']\nrun('no')\n"
    )
    assert {command for _, _, command in called.all_calls(tmp_path)} == {"one", "two", "three", "four"}


def test_reader_refuses_what_it_does_not_understand(tmp_path: Path) -> None:
    (tmp_path / "a.sh").write_text("if then (\n")
    with pytest.raises(ValueError, match="not understood"):
        called.all_calls(tmp_path)


def test_owner_and_minimal_system() -> None:
    assert called.owner("sh") == "dash"
    assert called.owner("mount") == "mount"
    assert called.owner("awk") in {"mawk", "gawk"}
    assert called.owner("no-such-command") is None
    minimal = called.minimal_system()
    assert {"coreutils", "sed", "apt", "python3", "util-linux"} <= minimal
    assert not {"qemu-system-x86", "git", "squashfs-tools", "g++"} & minimal


def requirements() -> set[str]:
    """Names of every Python package that a pyproject of this repository or a script of ci/ asks for."""
    names: set[str] = set()
    own = set()
    for path in REPO.glob("*/pyproject.toml"):
        data = tomllib.loads(path.read_text())
        own.add(data["project"]["name"])
        lists = [data["build-system"]["requires"], data["project"].get("dependencies", [])]
        lists += data["project"].get("optional-dependencies", {}).values()
        names |= {re.split(r"[\s<>=!~\[;]", item)[0].lower() for entries in lists for item in entries}
    return names - own


def test_every_python_package_is_pinned() -> None:
    assert requirements() - set(pins()) == set()
