# SPDX-License-Identifier: MIT
"""`genpack clean`: what is removed and what stays, and what refuses it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Run, define
from genpack.errors import GenpackError
from genpack.log import Log
from genpack.settings import Settings
from genpack.workdir import PhaseState, State, WorkDir

from genpack import cache, clean, process, workdir

pytestmark = pytest.mark.spawns


@pytest.fixture
def work(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> WorkDir:
    """A work folder with everything in it, of the base and of a variant."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    define(artifact, "{name: 'a', variants: {v: {}}, nonsense: 1}")
    work = WorkDir(artifact / "work", "x86_64", None)
    work.prepare()
    for name in ("lower/usr/bin/x", "upper/y", "work/work/z", "merged/.", "binpkgs/b", "v/lower/w", "logs/l"):
        path = work.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name[-1] != ".":
            path.write_text("x" * 5000)
    phase = PhaseState("k", {}, complete=True)
    work.save(State(stage3="s", lower=phase, upper=phase, pack=phase, image="i", by_hand="h"))
    return work


def names(work: WorkDir) -> set[str]:
    return {path.name for path in work.top.iterdir()}


def test_everything_but_other_variants(genpack: Run, work: WorkDir, artifact: Path) -> None:
    status, out, err = genpack("-C", artifact, "--arch", "x86_64", "clean")
    assert (status, out) == (0, ""), err
    assert names(work) == {"v", "lock"}
    assert f"removed {work.lower}: " in err
    assert ", 1 files" in err
    assert (work.top / "v/lower/w").is_file()
    assert "nothing to remove" in genpack("-C", artifact, "--arch", "x86_64", "clean")[2]


def test_a_layer_and_its_state(genpack: Run, work: WorkDir, artifact: Path) -> None:
    assert genpack("-C", artifact, "--arch", "x86_64", "clean", "upper")[0] == 0
    assert names(work) == {"lower", "binpkgs", "v", "logs", "lock", "state.json"}
    state = work.load()
    assert (state.upper, state.by_hand, state.stage3) == (None, "", "s")
    assert state.lower is not None
    assert genpack("-C", artifact, "--arch", "x86_64", "clean", "lower")[0] == 0
    assert "lower" not in names(work)
    state = work.load()
    assert (state.lower, state.stage3, state.image) == (None, "", "i")


def test_a_variant(genpack: Run, work: WorkDir, artifact: Path) -> None:
    assert genpack("-C", artifact, "--arch", "x86_64", "--variant", "v", "clean")[0] == 0
    assert not (work.top / "v/lower").exists()
    assert work.lower.is_dir()
    status, _, err = genpack("-C", artifact, "--arch", "x86_64", "--variant", "none", "clean")
    assert (status, "there is no variant 'none'" in err) == (2, True)


def test_mounts_refuse_it_before_anything_is_gone(
    genpack: Run, work: WorkDir, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = names(work) | {"lock"}
    monkeypatch.setattr(workdir, "mount_points", lambda: [(Path("/"), "ext4"), (work.upper, "tmpfs")])
    status, _, err = genpack("-C", artifact, "--arch", "x86_64", "clean")
    assert status == 1
    assert f"{work.upper} is mounted" in err
    assert names(work) == before
    assert work.load().lower is not None


def test_a_build_refuses_it(genpack: Run, work: WorkDir, artifact: Path) -> None:
    with work.locked():
        status, _, err = genpack("-C", artifact, "--arch", "x86_64", "clean", "lower")
    assert (status, "is in use by process" in err) == (1, True)
    assert work.lower.is_dir()


def test_the_state_forgets_a_layer_before_it_is_removed(
    genpack: Run, work: WorkDir, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(process, "run", cut_off)
    with pytest.raises(KeyboardInterrupt):
        clean.run(_settings(artifact), Log(), "lower")
    assert not work.lower.exists()  # renamed away, whole
    assert work.load().lower is None
    (waste,) = work.top.glob(".removed-*")
    monkeypatch.undo()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert str(waste) in genpack("-C", artifact, "--arch", "x86_64", "clean", "upper")[2]
    assert not waste.exists()


def _settings(artifact: Path) -> Settings:
    from genpack import options

    given = dict.fromkeys(options.OPTIONS) | {"directory": artifact, "arch": "x86_64"}
    return options.read(given)[0]


def test_root_is_needed_for_layers_alone(
    genpack: Run, work: WorkDir, artifact: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "must run as root" in genpack("-C", artifact, "clean")[2]
    monkeypatch.setenv("GENPACK_CACHE_DIR", str(tmp_path / "none"))
    assert genpack("-C", tmp_path, "clean", "cache")[0] == 0
    status, _, err = genpack("clean", "images")
    assert (status, "'images'" in err) == (2, True)


def test_the_cache_of_builds_that_run(genpack: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cache"
    (folder / "binpkgs").mkdir(parents=True)
    (folder / "binpkgs/b").write_text("")
    (folder / "elsewhere").mkdir()
    (folder / "distfiles").symlink_to(folder / "elsewhere")
    monkeypatch.setenv("GENPACK_CACHE_DIR", str(folder))
    code = f"""
import sys, pathlib
from genpack import cache
from genpack.log import Log
with cache.used(pathlib.Path({str(folder)!r}), Log()):
    print("held", flush=True)
    sys.stdin.read()
"""
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with cache.used(folder, Log()):  # any number at a time
        pass
    status, _, err = genpack("clean", "cache")
    holder.communicate(b"")
    assert status == 1
    assert f"{folder} is in use by process {holder.pid}" in err
    status, _, err = genpack("clean", "cache")
    assert status == 0, err
    assert "distfiles is a symlink: it stays" in err
    assert {path.name for path in folder.iterdir()} == {"elsewhere", "distfiles", "in-use.lock"}


def test_a_cache_that_can_t_be_written_needs_no_lock(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with cache.used(tmp_path / "none", Log(), make=False):
        assert not (tmp_path / "none").exists()
    with cache.used(tmp_path / "made", Log(), make=False), cache.used(tmp_path / "made", Log()):
        assert (tmp_path / "made").is_dir()
    with cache.used(tmp_path / "file/cache", Log()):
        pass
    with cache.alone(tmp_path), pytest.raises(GenpackError, match="in use by process"), cache.alone(tmp_path):
        pass
