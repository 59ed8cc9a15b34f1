# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from conftest import PROGS
from genpack_progs import scripts
from genpack_progs.errors import ProgsError


def add(folder: Path, name: str, body: str, mode: int = 0o755) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n" if body else "data\n")
    path.chmod(mode)


def test_order_is_that_of_packages_then_of_bytes(tmp_path: Path) -> None:
    for name in ("c/b/b", "c/b/B", "c/b/10", "c/a/x", "d/none-of-them/x"):
        add(tmp_path, name, "true")
    add(tmp_path, "c/a/data", "", 0o644)
    found = scripts.find(tmp_path, ["c/b-1.2_p3-r4", "x/unknown-1", "c/a-20240101"])
    assert [s.path.relative_to(tmp_path).as_posix() for s in found] == ["c/b/10", "c/b/B", "c/b/b", "c/a/x"]


def test_version_in_the_name_of_a_package(tmp_path: Path) -> None:
    add(tmp_path, "c/gtk-3x/go", "true")
    assert [s.cpv for s in scripts.find(tmp_path, ["c/gtk-3x-3.24"])] == ["c/gtk-3x-3.24"]


def test_a_script_that_can_not_run_is_an_error(tmp_path: Path) -> None:
    add(tmp_path, "c/a/x", "true", 0o644)
    with pytest.raises(ProgsError, match="c/a/x is not executable"):
        list(scripts.find(tmp_path, ["c/a-1"]))


def test_environment_and_working_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    add(tmp_path, "c/a/x", f'echo "$ARTIFACT $CPV $PWD" > {out}; cat >> {out}')
    count = scripts.execute(scripts.find(tmp_path, ["c/a-1"]), {**os.environ, "ARTIFACT": "hello"})
    assert (count, out.read_text()) == (1, "hello c/a-1 /\n")


@pytest.mark.parametrize(("body", "text"), [
    ("exit 3", "exited with status 3"), ("kill -9 $$", "was killed by SIGKILL"),
])
def test_a_failure_names_script_package_and_status_and_ends_it(tmp_path: Path, body: str, text: str) -> None:
    add(tmp_path, "c/a/10", body)
    add(tmp_path, "c/a/20", f"touch {tmp_path}/after")
    with pytest.raises(ProgsError, match=rf"package script {tmp_path}/c/a/10 of c/a-1 {text}"):
        scripts.execute(scripts.find(tmp_path, ["c/a-1"]), os.environ)
    assert not (tmp_path / "after").exists()


def test_a_missing_interpreter_is_explained(tmp_path: Path) -> None:
    (tmp_path / "c/a").mkdir(parents=True)
    (tmp_path / "c/a/x").write_text("#!/no/such/shell\n")
    (tmp_path / "c/a/x").chmod(0o755)
    with pytest.raises(ProgsError, match="cannot start") as e:
        scripts.execute(scripts.find(tmp_path, ["c/a-1"]), os.environ)
    assert e.value.tip == "the interpreter on its first line is not installed"


def test_every_script_of_the_repository_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "installed"
    shutil.copytree(PROGS / "package-scripts", folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        path.chmod(0o755)  # as the ebuild installs them
    packages = [f"{path.parent.name}/{path.name}-1" for path in folder.glob("*/*")]
    assert {script.path for script in scripts.find(folder, packages)} == set(files)
