# SPDX-License-Identifier: MIT
"""What is not on disk when a boot ends is not trusted; what a failure or a signal ends is written out all the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from genpack.errors import GenpackError
from genpack.workdir import PhaseState, State, WorkDir

from genpack import durable, files, planning


@pytest.fixture
def work(tmp_path: Path) -> WorkDir:
    folder = WorkDir(tmp_path / "work", "x86_64", None)
    folder.prepare()
    folder.lower.mkdir()
    return folder


def saved(work: WorkDir) -> str:
    return str(json.loads(work.state_file.read_text())["writing"])


def test_the_boot_is_kept_until_all_is_on_disk(work: WorkDir, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(files, "sync_filesystem", lambda folder: written.append(saved(work)))
    state = State()
    with durable.writing(work, state) as write_out:
        assert saved(work) == durable.boot_id() == durable.BOOT_ID.read_text().strip() != ""
        write_out()
    assert written == [durable.boot_id()] * 2
    assert (saved(work), state.writing) == ("", "")


def test_a_failure_is_written_out_too(work: WorkDir) -> None:
    with pytest.raises(KeyboardInterrupt), durable.writing(work, State()):
        raise KeyboardInterrupt
    assert saved(work) == ""


def test_what_could_not_be_written_out_is_not_taken_for_done(work: WorkDir, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: Path) -> None:
        if len(calls) < 1:
            calls.append(folder)
            raise OSError(5, "Input/output error")

    calls: list[Path] = []
    monkeypatch.setattr(files, "sync_filesystem", broken)
    with pytest.raises(OSError, match="Input/output"), durable.writing(work, State()) as write_out:
        write_out()
    assert saved(work) == durable.boot_id()
    calls.clear()
    with pytest.raises(GenpackError, match="first"), durable.writing(work, State()):
        raise GenpackError("first")
    assert saved(work) == durable.boot_id()


def test_only_an_earlier_boot_s_is_lost(work: WorkDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    complete = PhaseState("k", {}, True)
    for writing, lost in (("", False), (durable.boot_id(), False), ("another", True)):
        state = State(lower=complete, writing=writing)
        assert durable.lost(state) is lost
        found = planning.found(("lower",), work, tmp_path / "image", state)
        assert (found["lower"] == durable.LOST) is lost
