# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROGS, Fake
from genpack_progs.errors import ProgsError
from genpack_progs.recursive import Gather, interpreters, libraries
from genpack_progs.tree import Tree


def gather(*paths: str) -> set[str]:
    one = Gather(Tree(Path("/")))
    for path in paths:
        one.add(path)
    return set(one.paths)


def test_links_are_followed_to_the_end(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").write_text("x")
    (tmp_path / "real/other").write_text("x")
    (tmp_path / "folder").symlink_to("real")
    (tmp_path / "b").symlink_to("folder/file")
    (tmp_path / "a").symlink_to("b")
    names = {path.removeprefix(f"{tmp_path}/") for path in gather(f"{tmp_path}/a")}
    assert {"a", "b", "folder", "real/file"} <= names
    assert "real/other" not in names


def test_a_folder_brings_everything_in_it(tmp_path: Path) -> None:
    (tmp_path / "d/e").mkdir(parents=True)
    (tmp_path / "d/e/f").write_text("x")
    assert gather(f"{tmp_path}/d") == {f"{tmp_path}/d", f"{tmp_path}/d/e", f"{tmp_path}/d/e/f"}


def test_a_script_brings_its_interpreter_and_that_its_libraries(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    found = gather(str(script))
    assert os.path.realpath("/bin/sh") in found
    assert any("libc.so" in path for path in found)


def test_what_is_missing_says_who_needs_it(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("gone")
    with pytest.raises(ProgsError, match=rf"{tmp_path}/gone \(needed by {tmp_path}/link\): No such file"):
        gather(f"{tmp_path}/link")


def test_interpreters() -> None:
    assert interpreters(b"#! /bin/sh -e\nx") == ["/bin/sh"]
    assert interpreters(b"#!/usr/bin/env sh\n")[0] == "/usr/bin/env"
    assert len(interpreters(b"#!/usr/bin/env -S A=1 sh\n")) == 2
    assert interpreters(b"#!\n") == []


def test_ldd_argv_and_its_answers(fake: Fake) -> None:
    answer = "\\tlinux-vdso.so.1 (0x1)\\n\\tlibx.so => /lib/libx.so (0x2)\\n\\t/lib64/ld.so (0x3)\\n"
    calls = fake("ldd", f"printf '{answer}'")
    assert libraries("/some/program") == ["/lib/libx.so", "/lib64/ld.so"]
    assert calls.read_text() == "/some/program\n"
    fake("ldd", "echo 'libgone.so => not found'")
    with pytest.raises(ProgsError, match=r"needs the library libgone\.so, which is not found"):
        libraries("/some/program")
    fake("ldd", "exit 1")
    assert libraries("/static/program") == []


def test_the_program_itself(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    os.utime(tmp_path / "file", ns=(5, 7))
    before = (tmp_path / "file").stat()
    program = [sys.executable, str(PROGS / "bin/recursive-touch")]
    subprocess.run([*program, "file"], cwd=tmp_path, check=True)
    after = (tmp_path / "file").stat()
    assert after.st_mtime_ns == before.st_mtime_ns and after.st_ctime_ns > before.st_ctime_ns
    failed = subprocess.run([*program, str(tmp_path / "gone")], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert failed.stderr == f"recursive-touch: error: {tmp_path}/gone: No such file or directory\n"
    assert subprocess.run(program, capture_output=True, check=False).returncode == 2
