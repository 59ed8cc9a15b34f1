# SPDX-License-Identifier: MIT
"""genpack/console-passwd, which hashes by genpack-init."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import OVERLAY

PROGRAM = OVERLAY / "genpack/console-passwd/files/console-passwd.py"


def run(file: Path, *words: str, given: str = "", user: str = "") -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(PROGRAM), "--file", str(file), *words]
    return subprocess.run(
        argv, input=given, env={**os.environ, "PAM_USER": user}, capture_output=True, text=True, check=False
    )


def test_set_check_and_delete(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    assert run(file, given="s:e cret\n").returncode == 0
    assert run(file, "nobody", given="other\n").returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    assert text.startswith("root:$") and "\nnobody:$" in text and "cret" not in text
    cases = itertools.product(("root", "nobody", "daemon"), ("s:e cret", "s:e cret\0", "other", ""))
    good = [case for case in cases if run(file, "--check", given=case[1], user=case[0]).returncode == 0]
    assert good == [("root", "s:e cret"), ("root", "s:e cret\0"), ("nobody", "other")]
    assert run(file, "--delete").returncode == 0
    assert run(file, "--check", given="s:e cret", user="root").returncode == 1
    assert file.read_text().startswith("nobody:$")


@pytest.mark.parametrize(("words", "given", "text"), [
    ((), "\n", "the password is empty; nothing is changed"),
    (("no-such-user",), "x\n", "there is no user no-such-user"),
    (("--delete",), "", "root has no console password"),
])  # fmt: skip
def test_errors(tmp_path: Path, words: tuple[str, ...], given: str, text: str) -> None:
    done = run(tmp_path / "passwords", *words, given=given)
    assert (done.returncode, done.stderr) == (1, f"console-passwd: error: {text}\n")
    assert list(tmp_path.iterdir()) == []


def test_no_file_is_nobodys_password(tmp_path: Path) -> None:
    done = run(tmp_path / "passwords", "--check", given="x", user="root")
    assert (done.returncode, done.stderr) == (1, "")
