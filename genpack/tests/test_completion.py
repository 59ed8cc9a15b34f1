# SPDX-License-Identifier: MIT
"""Shell completion: what is offered, and that bash itself gets it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from conftest import Run, define
from genpack.errors import UsageError

from genpack import completion

VARIANTS = "{name: 'a', variants: {big: {}, blue: {}, small: {}}}"


def ask(genpack: Run, monkeypatch: pytest.MonkeyPatch, line: str) -> list[str]:
    """What bash would be offered at the end of a line."""
    words = line.split(" ")
    monkeypatch.setenv("_GENPACK_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    return [item.partition(",")[2] for item in genpack()[1].split()]


def test_commands_and_options(genpack: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(genpack, monkeypatch, "genpack sh") == ["show"]
    assert ask(genpack, monkeypatch, "genpack check --overl") == ["--overlay-override"]


def test_values(genpack: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(genpack, monkeypatch, "genpack --arch ") == ["x86_64", "i686", "aarch64", "riscv64"]
    assert ask(genpack, monkeypatch, "genpack build --arch a") == ["aarch64"]
    assert ask(genpack, monkeypatch, "genpack --compression l") == ["lzo", "lz4"]
    assert ask(genpack, monkeypatch, "genpack --compression zstd:2") == ["zstd:2", "zstd:20", "zstd:21", "zstd:22"]
    assert ask(genpack, monkeypatch, "genpack --compression xz:") == []
    assert ask(genpack, monkeypatch, "genpack clean ") == ["lower", "upper", "cache"]


def test_paths_are_left_to_the_shell(genpack: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for option, kind in (("--keyring", "file"), ("--work-dir", "dir"), ("--mirror", "dir"), ("-C", "dir")):
        ask(genpack, monkeypatch, f"genpack {option} x")
        assert genpack()[1].split() == [f"{kind},x"]


def test_variants_of_the_definition_here(genpack: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert ask(genpack, monkeypatch, "genpack --variant b") == []
    define(tmp_path, VARIANTS)
    assert ask(genpack, monkeypatch, "genpack --variant b") == ["big", "blue"]
    assert ask(genpack, monkeypatch, "genpack show --variant ") == ["big", "blue", "small"]
    define(tmp_path, "{ broken")
    assert ask(genpack, monkeypatch, "genpack --variant b") == []


def test_variants_of_the_folder_that_is_named(genpack: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = define(tmp_path / "other", VARIANTS)
    assert ask(genpack, monkeypatch, f"genpack -C {other} --variant s") == ["small"]
    assert ask(genpack, monkeypatch, f"genpack -C {other} check --variant s") == ["small"]
    assert ask(genpack, monkeypatch, f"genpack check -C {other} --variant s") == ["small"]
    monkeypatch.setenv("GENPACK_DIRECTORY", str(other))
    assert ask(genpack, monkeypatch, "genpack check --variant s") == ["small"]


def test_shells(monkeypatch: pytest.MonkeyPatch, genpack: Run) -> None:
    assert "_genpack_completion" in genpack("completion", "zsh")[1]
    assert "complete --no-files --command genpack" in genpack("completion", "fish")[1]
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert "complete --no-files --command genpack" in genpack("completion")[1]
    status, out, err = genpack("completion", "tcsh")
    assert (status, out) == (2, "")
    assert "no completion for the shell 'tcsh'" in err
    monkeypatch.delenv("SHELL")
    assert "$SHELL is not set" in genpack("completion")[2]


@pytest.mark.spawns
def test_bash_completes(tmp_path: Path) -> None:
    """The script in a real bash: its function fills COMPREPLY."""
    from genpack import process

    define(tmp_path, VARIANTS)
    program = tmp_path / "genpack"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m genpack "$@"\n')
    program.chmod(0o755)
    script = """
        eval "$(genpack completion bash)"
        COMP_WORDS=(genpack --variant b) COMP_CWORD=2
        _genpack_completion genpack
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    bash = shutil.which("bash")
    assert bash is not None
    done = process.run([bash, "-c", script], cwd=tmp_path, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.stdout.decode().split() == ["big", "blue"]


def test_a_script_for_no_shell_is_an_error() -> None:
    import click

    with pytest.raises(UsageError):
        completion.script(click.Command("genpack"), "powershell")
