# SPDX-License-Identifier: MIT
"""`genpack plan`: from a mirror's small files alone, with nothing written; its text and its JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Reading, Run, define
from fakes import FIRST, Key, make_key, make_mirror, remove_key
from faulty import serve
from genpack.arch import ARCHES
from genpack.errors import GenpackError
from genpack.expected import Expected, Foresight
from genpack.fetch import mirrors
from genpack.lock import Lock, SnapshotPin, Stage3Pin
from genpack.log import Log
from genpack.plan import Decision
from genpack.planning import Foreseen, as_json, text
from genpack.reasons import NOT_BUILT, Reason, after
from genpack.store import Wanted
from genpack.workdir import PhaseState, State

from genpack import hashing, merge, planning

SAMPLE = Path(__file__).resolve().parents[2] / "ci" / "formats" / "plan" / "toy-x86_64.plan.json"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Key]:
    key = make_key(tmp_path_factory.mktemp("key"), "plan")
    yield key
    remove_key(key)


@pytest.fixture
def mirror(tmp_path: Path, key: Key) -> Path:
    return make_mirror(tmp_path / "mirror", key)


def foresight(mirror: Path, tmp_path: Path, lock: Lock | None = None) -> Foresight:
    log = Log()
    return Foresight(mirrors([str(mirror)], tmp_path / "cache", log), tmp_path / "cache", log, lock)


def foreseen(read: Reading) -> Foreseen:
    definition = merge.merge(read("{name: 'toy', profile: 'toy'}")[0], "x86_64", None, "toy")
    stage3 = Expected(
        "releases/amd64/autobuilds/T/stage3-amd64-systemd-T.tar.xz", 254 << 20, "ab" * 32, "", True, False
    )
    snapshot = Expected("snapshots/gentoo-latest.tar.xz", None, None, "cd" * 32, False, False)
    reasons = (
        Reason("packages", "packages changed: +app-misc/x -app-misc/y", ("app-misc/x",), ("app-misc/y",)),
        Reason("profile", "profile changed: none -> toy", old="none", new="toy"),
    )
    files = Reason("files/", "files/etc/motd changed", changed=("files/etc/motd",))
    decisions = {
        "lower": Decision("lower", reasons, 301.5),
        "upper": Decision("upper", (files,), 12.5),
        "pack": Decision("pack", (after("upper"),), None),
    }
    return Foreseen(definition, Path("/srv/images/toy-x86_64.squashfs"), stage3, snapshot, decisions)


def test_the_sample(read: Reading) -> None:
    assert as_json(foreseen(read)) == SAMPLE.read_text()


def test_the_text(read: Reading) -> None:
    assert text(foreseen(read)) == (
        "stage3: releases/amd64/autobuilds/T/stage3-amd64-systemd-T.tar.xz"
        " (pinned by genpack.lock, 254.0 MiB, to be fetched)\n"
        "snapshot: snapshots/gentoo-latest.tar.xz (the latest, to be fetched)\n"
        "lower: packages changed: +app-misc/x -app-misc/y\n"
        "lower: profile changed: none -> toy\n"
        "upper: files/etc/motd changed\n"
        "pack: upper runs before it\n"
        "image: /srv/images/toy-x86_64.squashfs\n"
    )


@pytest.mark.spawns
def test_a_folder_s_files_are_known_by_their_content(mirror: Path, tmp_path: Path) -> None:
    looking = foresight(mirror, tmp_path)
    stage3, snapshot = looking.expected_stage3(ARCHES["x86_64"]), looking.expected_snapshot()
    for found, name in ((stage3, FIRST.stage3), (snapshot, "snapshots/gentoo-latest.tar.xz")):
        assert (found.name, found.at_hand, found.locked) == (name, True, False)
        assert found.sha256 == hashing.of_file(mirror / name)["sha256"]
    assert not (tmp_path / "cache").exists()


@pytest.mark.spawns
def test_a_stage3_that_is_not_there_is_known_by_the_mirror_s_sum(mirror: Path, tmp_path: Path) -> None:
    expected = hashing.of_file(mirror / FIRST.stage3)["sha256"]
    (mirror / FIRST.stage3).unlink()
    (mirror / "snapshots/gentoo-latest.tar.xz").unlink()
    looking = foresight(mirror, tmp_path)
    stage3, snapshot = looking.expected_stage3(ARCHES["x86_64"]), looking.expected_snapshot()
    assert (stage3.sha256, stage3.at_hand) == (expected, False)
    assert (snapshot.sha256, snapshot.at_hand, len(snapshot.mark)) == (None, False, 64)


def test_a_lock_needs_no_mirror(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    lock = Lock({"x86_64": Stage3Pin("a/stage3", 5, "ab" * 32)}, SnapshotPin("s/snapshot", "cd" * 32, "commit", 1))
    looking = foresight(tmp_path / "empty", tmp_path, lock)
    stage3, snapshot = looking.expected_stage3(ARCHES["x86_64"]), looking.expected_snapshot()
    assert (stage3.name, stage3.sha256, stage3.locked, stage3.at_hand) == ("a/stage3", "ab" * 32, True, False)
    assert (snapshot.sha256, snapshot.locked, snapshot.size) == ("cd" * 32, True, None)


@pytest.mark.spawns
def test_of_a_server_only_small_files_are_asked_for(mirror: Path, tmp_path: Path) -> None:
    log = Log()
    with serve(mirror) as server:
        looking = Foresight(mirrors([server.url], tmp_path / "cache", log), tmp_path / "cache", log, None)
        stage3, snapshot = looking.expected_stage3(ARCHES["x86_64"]), looking.expected_snapshot()
    assert not [path for path, _ in server.asked if path.endswith(".tar.xz")]
    assert stage3.sha256 == hashing.of_file(mirror / FIRST.stage3)["sha256"]
    assert (snapshot.sha256, snapshot.at_hand) == (None, False)
    assert not (tmp_path / "cache").exists()


def test_what_only_fetching_would_tell_is_the_last_build_s_if_its_mark_is_the_same() -> None:
    saved = PhaseState("k", {"snapshot": "ab"}, True, details={"marks": {"snapshot": "m"}})
    expected = Expected("snapshots/x", None, None, "m", False, False)
    assert planning._named("snapshot", expected, State(lower=saved)).sha256 == "ab"
    assert planning._named("snapshot", dataclasses.replace(expected, mark="n"), State(lower=saved)).sha256 == ""
    unmarked = PhaseState("k", {"snapshot": "ab"}, True, details={"marks": {"snapshot": ""}})
    assert planning._named("snapshot", dataclasses.replace(expected, mark=""), State(lower=unmarked)).sha256 == ""
    assert planning._named("snapshot", expected, State()).sha256 == ""


def test_what_a_server_s_cache_has_is_at_hand_and_not_read(tmp_path: Path) -> None:
    log = Log()
    (server,) = mirrors(["http://127.0.0.1:1"], tmp_path, log, offline=True)
    assert server.at_hand(Wanted("a/b", sha256="ab" * 32)) is None
    place = tmp_path / "downloads/files" / ("ab" * 32) / "b"
    place.parent.mkdir(parents=True)
    place.write_text("anything: its content is not looked at")
    assert server.at_hand(Wanted("a/b", sha256="ab" * 32)) == place
    assert place.is_file()


@pytest.mark.spawns
def test_the_command_writes_nothing_and_needs_no_build(
    genpack: Run, tmp_path: Path, overlay: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("GENPACK_CACHE_DIR", str(tmp_path / "cache"))
    folder = define(tmp_path / "a", "{name: 'a', profile: 'paravirt'}")
    words = ("-C", folder, "--overlay-override", overlay, "--mirror", mirror, "plan")
    status, out, _ = genpack(*words)
    assert status == 0
    assert [line for line in out.splitlines() if line[:5] in ("lower", "upper", "pack:")] == [
        "lower: not built yet", "upper: not built yet", "pack: not built yet",
    ]  # fmt: skip
    assert [p.name for p in folder.iterdir()] == ["genpack.json5"]
    assert not (tmp_path / "cache").exists()
    content = json.loads(genpack(*words, "--json")[1])
    assert [phase["reasons"][0]["text"] for phase in content["phases"]] == [NOT_BUILT.text] * 3
    status, out, err = genpack("--locked", *words)
    assert (status, out) == (1, ""), err
    assert "genpack.lock" in err


def test_only_names_what_is_stale() -> None:
    decisions = {
        "lower": Decision("lower", (Reason("packages", "packages changed: +a/b"),), None),
        "upper": Decision("upper", (), None),
    }
    with pytest.raises(GenpackError, match=r"--only: lower is stale \(packages changed: \+a/b\)") as caught:
        planning.require(decisions, ("lower", "upper"))
    assert "genpack lower" in str(caught.value.tip)
    planning.require(decisions, ("upper",))
