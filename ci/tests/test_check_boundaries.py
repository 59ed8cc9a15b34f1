# SPDX-License-Identifier: MIT
"""ci/check_boundaries finds what it is there to find, and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
CHECK = REPO / "ci" / "check_boundaries"


def check(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([CHECK, root], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in {"vm/src/genpack_vm/__init__.py": "", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    "code",
    [
        "import genpack_vm",
        "import genpack_vm.config as c",
        "from genpack_vm import cli",
        "def f():\n    from genpack_vm.squashfs import read",
        "import importlib\nimportlib.import_module('genpack_vm.cli')",
        "__import__('genpack_init')",
    ],
)
def test_import_of_a_sibling_is_found(tmp_path: Path, code: str) -> None:
    result = check(tree(tmp_path, {"genpack/src/genpack/a.py": code}))
    assert result.returncode == 1
    assert "genpack/src/genpack/a.py:" in result.stdout
    assert "sibling package genpack_" in result.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess",
        "import subprocess as sp",
        "from subprocess import run",
        "def f():\n    import subprocess",
        "import os\nos.system('true')",
        "import os as o\no.execvp('true', ['true'])",
        "from os import popen",
        "import os\nf = os.posix_spawn",
        "import asyncio\nasyncio.create_subprocess_exec('true')",
        "from asyncio import create_subprocess_shell",
        "import asyncio.subprocess",
        "from asyncio import subprocess",
        "import pty",
    ],
)
def test_starting_a_program_is_found(tmp_path: Path, code: str) -> None:
    result = check(tree(tmp_path, {"vm/src/genpack_vm/a.py": code}))
    assert result.returncode == 1
    assert "vm/src/genpack_vm/a.py:" in result.stdout
    assert "outside process.py" in result.stdout
    assert check(tree(tmp_path, {"vm/src/genpack_vm/a.py": "", "vm/src/genpack_vm/process.py": code})).returncode == 0


@pytest.mark.parametrize(
    "code",
    [
        "import genpack\nfrom genpack import cli\nfrom . import vm",
        "import os\nos.fork()\nos.path.join('a', 'b')",
        "# import subprocess\nx = 'import subprocess'",
        "class P:\n    def system(self): ...\nP().system()",
        "import asyncio\nasyncio.run(main())",
    ],
)
def test_what_is_allowed(tmp_path: Path, code: str) -> None:
    result = check(tree(tmp_path, {"genpack/src/genpack/a.py": code}))
    assert (result.returncode, result.stdout) == (0, "")


def test_script_without_suffix_and_broken_file(tmp_path: Path) -> None:
    script = "#!/usr/bin/python3\nimport subprocess\n"
    result = check(tree(tmp_path, {"vm/src/genpack_vm/tool": script, "vm/src/genpack_vm/b.py": "def"}))
    assert "vm/src/genpack_vm/tool:2: subprocess outside process.py" in result.stdout
    assert "vm/src/genpack_vm/b.py:1: not Python" in result.stdout


def test_end_to_end_tests_import_no_package(tmp_path: Path) -> None:
    result = check(tree(tmp_path, {"ci/e2e/test_a.py": "import subprocess\nimport genpack"}))
    assert result.stdout.splitlines() == [
        "ci/e2e/test_a.py:2: imports the package (ci/e2e uses installed commands) genpack"
    ]


def test_unknown_package_and_empty_tree(tmp_path: Path) -> None:
    assert "extra/src: a package that" in check(tree(tmp_path, {"extra/src/extra/a.py": ""})).stdout
    assert check(tmp_path / "nowhere").returncode == 1


def test_this_repository() -> None:
    result = check(REPO)
    assert (result.returncode, result.stdout) == (0, "")
