# SPDX-License-Identifier: MIT
"""Fixtures of all tests. A test starts programs only if it is marked `spawns`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from genpack.model import Source
from genpack.problems import Problems
from hypothesis import settings
from hypothesis.configuration import set_hypothesis_home_dir

# Nothing is written into the source tree; a busy machine is no failure.
if "HYPOTHESIS_STORAGE_DIRECTORY" not in os.environ:
    set_hypothesis_home_dir(Path(tempfile.gettempdir()) / f"genpack-hypothesis-{os.geteuid()}")
settings.register_profile("genpack", database=None, deadline=None)
settings.load_profile("genpack")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "spawns: the test may start programs")


@pytest.fixture(autouse=True)
def _no_programs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("spawns") is None:

        def refuse(*words: object, **_: object) -> None:
            raise AssertionError(f"a test that is not marked `spawns` starts a program: {words}")

        monkeypatch.setattr(subprocess, "Popen", refuse)


@pytest.fixture(autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person who runs the tests reaches them."""
    for name in list(os.environ):
        if name.startswith("GENPACK_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GENPACK_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nowhere/config")


Run = Callable[..., tuple[int, str, str]]
Reading = Callable[[str], tuple[Source, Problems]]


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """An empty artifact folder."""
    folder = tmp_path / "artifact"
    folder.mkdir()
    return folder


@pytest.fixture
def read(artifact: Path) -> Reading:
    """Writes a definition and reads it."""

    def reading(text: str) -> tuple[Source, Problems]:
        from genpack import definition

        path = artifact / "genpack.json5"
        path.write_text(text)
        return definition.read(path)

    return reading


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """A tiny genpack-overlay with the profiles root, paravirt and gnome/baremetal for amd64."""
    top = tmp_path / "genpack-overlay"
    for name in ("", "paravirt", "gnome/baremetal"):
        folder = top / "profiles/genpack/amd64" / name
        folder.mkdir(parents=True)
        (folder / "eapi").write_text("8\n")
    (top / "profiles/repo_name").write_text("genpack-overlay\n")
    (top / "metadata").mkdir()
    (top / "metadata/layout.conf").write_text("masters = gentoo\n")
    (top / "genpack/base").mkdir(parents=True)
    (top / "genpack/base/base-1.ebuild").write_text("EAPI=8\n")
    (top / "src").mkdir()
    (top / "src/not-of-the-repository.py").write_text("")
    return top


@pytest.fixture
def genpack(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs `genpack WORDS`: (status, stdout, stderr)."""
    import signal

    from genpack import cli

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.chdir(tmp_path)

    def run(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["genpack", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        shown = capsys.readouterr()
        return int(caught.value.code or 0), shown.out, shown.err

    return run


def define(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "genpack.json5").write_text(text)
    return folder
