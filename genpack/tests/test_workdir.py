# SPDX-License-Identifier: MIT
"""The work folder: paths, tag, lock, state, mounts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from genpack.errors import GenpackError
from genpack.workdir import PhaseState, State, WorkDir

from genpack import workdir


@pytest.fixture
def work(tmp_path: Path) -> WorkDir:
    folder = WorkDir(tmp_path / "work", "x86_64", None)
    folder.prepare()
    return folder


def test_paths(tmp_path: Path) -> None:
    assert WorkDir(tmp_path, "i686", None).lower == tmp_path / "i686/lower"
    assert WorkDir(tmp_path, "i686", "v").state_file == tmp_path / "i686/v/state.json"


def test_tag(work: WorkDir) -> None:
    assert (work.root / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55\n")


def test_a_second_build_is_told_who_holds_the_folder(work: WorkDir) -> None:
    with work.locked():
        words = rf"is in use by process {os.getpid()}, started \d{{4}}-"
        with pytest.raises(GenpackError, match=words) as caught, work.locked():
            pass
        assert "--work-dir" in str(caught.value.tip)
    with work.locked():
        pass


def test_state(work: WorkDir) -> None:
    assert work.load() == State()
    state = State(stage3="a", managed=["b"], lower=PhaseState("k", {"x": "y"}, True, 1.5), image_identity=[1, 2])
    work.save(state)
    assert work.load() == state


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version": 2}', '{"version": 1, "more": 1}', "null"])
def test_a_state_that_can_t_be_read_is_a_fresh_one(work: WorkDir, text: str) -> None:
    work.state_file.write_text(text)
    assert work.load() == State()


def test_log_paths_differ(work: WorkDir) -> None:
    first = work.log_path("lower")
    first.touch()
    assert work.log_path("lower") != first


@pytest.mark.spawns
def test_remove(work: WorkDir, monkeypatch: pytest.MonkeyPatch) -> None:
    (work.lower / "a/b").mkdir(parents=True)
    monkeypatch.setattr(workdir, "mount_points", lambda: [(Path("/"), "ext4"), (work.lower / "a", "tmpfs")])
    with pytest.raises(GenpackError, match="is mounted"):
        work.remove(work.lower)
    monkeypatch.undo()
    work.remove(work.lower)
    assert not work.lower.exists()
    work.remove(work.lower)


def test_filesystem_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    points = [(Path("/"), "overlay"), (tmp_path, "ext4"), (tmp_path, "xfs")]
    monkeypatch.setattr(workdir, "mount_points", lambda: points)
    assert workdir.filesystem_type(tmp_path / "x") == "xfs"
    assert workdir.filesystem_type(Path("/usr")) == "overlay"


def test_mount_points() -> None:
    assert (Path("/proc"), "proc") in workdir.mount_points()
