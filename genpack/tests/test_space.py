# SPDX-License-Identifier: MIT
"""A full disk, told with its folder. Real ones are in the end-to-end tests."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import pytest
from genpack.errors import GenpackError, StepError
from genpack.log import Log
from genpack.space import PLENTY, Place, of_error, require, shortage
from genpack.steps import Steps

from genpack import space

SAID = ["tar: x: Cannot write: No space left on device"]


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> list[Place]:
    """Two places; the second has 5 MiB free."""
    rooms = {"/work": (PLENTY * 2, True), "/images": (5 << 20, True)}
    monkeypatch.setattr(space, "free", lambda folder: rooms.get(str(folder), (PLENTY * 2, True)))
    return [Place(Path("/work"), "--work-dir"), Place(Path("/images"), "--output-dir")]


def test_the_fullest_is_named_if_a_program_said_so(places: list[Place]) -> None:
    what, tip = shortage(places, SAID) or ("", "")
    assert what == "the disk is full: /images has 5.0 MiB free"
    assert "--output-dir" in tip
    assert shortage(places, ["tar: something else"]) is None
    assert shortage(places[:1], SAID) is None  # some other file system, in the container perhaps
    assert shortage([], SAID) is None


def test_an_empty_one_tells_in_any_language(places: list[Place], monkeypatch: pytest.MonkeyPatch) -> None:
    for room, words in (((4096, True), "4.0 KiB free"), ((PLENTY * 4, False), "GiB, and no inode, free")):
        monkeypatch.setattr(space, "free", lambda folder, room=room: room)
        what, _ = shortage(places, ["tar: kein Platz"]) or ("", "")
        assert words in what


def test_a_file_that_can_t_be_written(tmp_path: Path) -> None:
    error = of_error(OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "a/b")))
    assert f"can't write {tmp_path}/a/b: the disk is full: {tmp_path} has " in error.message
    assert "the disk is full" in of_error(OSError(errno.ENOSPC, "No space left on device")).message


def test_room_that_is_needed(tmp_path: Path) -> None:
    require(tmp_path / "not/there", 1, "x")
    with pytest.raises(GenpackError, match=rf"stage3 takes 1024\.0 PiB|stage3 takes .* and {tmp_path} has .* free"):
        require(tmp_path, 1 << 60, "stage3")


@pytest.mark.spawns
def test_a_step_on_a_full_disk(places: list[Place], tmp_path: Path) -> None:
    log, out = tmp_path / "log", Log(io.StringIO())
    said = ["sh", "-c", "echo No space left on device; exit 1"]
    with pytest.raises(StepError) as caught, Steps("pack", log, out, places) as steps, steps.step("mksquashfs"):
        steps.command(said, what="mksquashfs", tip="other")
    assert caught.value.message.endswith("exited with status 1: the disk is full: /images has 5.0 MiB free")
    assert "--output-dir" in str(caught.value.tip)
    expected = pytest.raises(StepError, match="pack: records: the disk is full: /images")
    with expected, Steps("pack", log, out, places) as steps, steps.step("records"):
        raise OSError(errno.ENOSPC, "No space left on device", "/images/x")
