# SPDX-License-Identifier: MIT
"""Commands around a build of the toy: plan, --only, --json, upper-bash, clean; a terminal's lines; failures.

The tests follow each other on one toy build.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shlex
import shutil
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import squashfs
from harness.commands import Result, run
from harness.leftovers import check_nothing_left, processes_below
from harness.machine import Timing
from harness.toy import BUILD_LIMIT, Mirror, Workspace, wait_until

OWN_FAILURE = 125
EBUILD = 'EAPI=8\nDESCRIPTION="x"\nHOMEPAGE="https://x.invalid"\nLICENSE="MIT"\nSLOT="0"\nKEYWORDS="amd64"\n'


@pytest.fixture(scope="module")
def desk(toy_mirror: Mirror, build_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace of this file's own, not built yet."""
    base = tmp_path_factory.mktemp("desk")
    desk = Workspace(base, toy_mirror, build_cache)
    desk.define()
    desk.write("etc/motd", "hello\n")
    yield desk
    run("rm", "-rf", base / "work")


@pytest.fixture(autouse=True)
def _nothing_left(desk: Workspace) -> Iterator[None]:
    yield
    check_nothing_left(desk.base)


@pytest.fixture(scope="module")
def planned(desk: Workspace) -> dict[str, Any]:
    """The plan before the first build."""
    result = desk.genpack("plan", "--json").ok()
    assert not desk.work.exists()
    plan: dict[str, Any] = json.loads(result.stdout)
    return plan


@pytest.fixture(scope="module")
def built(desk: Workspace, planned: dict[str, Any], timing: Timing) -> list[dict[str, Any]]:
    """The events of the first build."""
    start = time.monotonic()
    result = desk.genpack("build", "--json").ok()
    timing.add("build toy, --json", time.monotonic() - start)
    assert result.stdout == f"{desk.image}\n"
    return [json.loads(line) for line in result.stderr.splitlines()]


def seen(folder: Path) -> list[tuple[str, int]]:
    """Everything in a work folder but in its lower layer, with the time of its last change."""
    found = [p for p in folder.rglob("*") if "lower" not in p.relative_to(folder).parts]
    return sorted((str(p), p.lstat().st_ctime_ns) for p in found)


def plan(desk: Workspace) -> dict[str, list[str]]:
    """Phase -> what `genpack plan` says about it; the work folder is as before."""
    before = seen(desk.work)
    lines = desk.genpack("plan").ok().stdout.splitlines()
    assert seen(desk.work) == before
    found: dict[str, list[str]] = {}
    for line in lines:
        phase, _, text = line.partition(": ")
        found.setdefault(phase, []).append(text)
    return found


def test_the_plan_before_the_first_build(desk: Workspace, planned: dict[str, Any]) -> None:
    assert planned["version"] == 1
    assert [(p["phase"], p["runs"]) for p in planned["phases"]] == [("lower", True), ("upper", True), ("pack", True)]
    assert {r["text"] for p in planned["phases"] for r in p["reasons"]} == {"not built yet"}
    assert planned["inputs"]["stage3"]["at_hand"] is True
    assert planned["image"] == str(desk.image)


def test_a_plan_needs_no_root(desk: Workspace, built: list[dict[str, Any]]) -> None:
    """In a user namespace this process is an ordinary user, to whom the same files belong."""
    as_user = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    assert run(*as_user, "id", "-u").ok().stdout == "1000\n"
    result = run(*as_user, *desk.argv("plan"), env=desk.env).ok()
    assert "pack: nothing to do" in result.stdout
    assert "must run as root" in run(*as_user, *desk.argv("build"), env=desk.env).stderr


def test_events_of_a_build(desk: Workspace, built: list[dict[str, Any]], planned: dict[str, Any]) -> None:
    first, *_, last = built
    assert (first["event"], first["version"]) == ("start", 1)
    assert last["event"] == "result"
    assert (last["image"], last["size"]) == (str(desk.image), desk.image.stat().st_size)
    names = re.findall(r"^\S+\[", squashfs.cat(desk.image, ".genpack/packages"), re.MULTILINE)
    assert last["packages"] == len(names)
    for phase in ("lower", "upper", "pack"):
        mine = [e for e in built if e.get("phase") == phase]
        assert (mine[0]["event"], mine[-1]["event"]) == ("phase-start", "phase-end")
        assert mine[0]["why"] == "not built yet"
        steps = [e["step"] for e in mine if e["event"] == "step-start"]
        assert steps == [e["step"] for e in mine if e["event"] == "step-end" and e["ok"]]
        assert steps
    merged = [e for e in built if e["event"] == "progress" and e["unit"] == "packages"]
    assert merged
    assert all(re.fullmatch(r"[\w-]+/[\w-]+-\d\S*", e["item"]) for e in merged)
    assert merged[-1]["done"] == merged[-1]["total"] > 0
    copied = [e for e in built if e["event"] == "progress" and e["unit"] == "files"]
    assert copied[-1]["done"] == copied[-1]["total"] > 0
    packed = [e for e in built if e["event"] == "progress" and e["unit"] == "percent"]
    assert packed[-1]["done"] == 100
    # A bar is no line of a log.
    log = next(e["log"] for e in built if e["event"] == "phase-start" and e["phase"] == "pack")
    assert "100%" not in Path(log).read_text()


def test_a_plan_names_the_file_and_the_package(desk: Workspace, built: list[dict[str, Any]]) -> None:
    nothing = ["nothing to do"]
    assert {k: v for k, v in plan(desk).items() if k in ("lower", "upper", "pack")} == {
        "lower": nothing, "upper": nothing, "pack": nothing,
    }  # fmt: skip
    desk.write("etc/motd", "hello again\n")
    desk.write("etc/issue", "toy\n")
    desk.define(packages=["app-misc/toy", "app-misc/toy-broken"], services=["x.service"])
    found = plan(desk)
    assert found["lower"] == ["packages changed: +app-misc/toy-broken"]
    assert found["upper"] == [
        "files/etc/issue added, files/etc/motd changed", "lower changed", "services changed: +x.service",
    ]  # fmt: skip
    assert found["pack"] == ["upper changed"]
    desk.define()


def test_only_fails_instead_of_running_an_earlier_phase(desk: Workspace, built: list[dict[str, Any]]) -> None:
    """The files of the test before are still changed: the upper layer is stale, the lower one is not."""
    image = desk.image.stat()
    result = desk.genpack("pack", "--only")
    assert result.status == 1, str(result)
    assert result.error_lines("genpack") == [
        "genpack: error: --only: upper is stale (files/etc/issue added, files/etc/motd changed)"
    ]
    assert "run 'genpack upper' first" in result.stderr
    assert desk.image.stat() == image
    result = desk.genpack("upper-bash", "--only", "true")
    assert (result.status, len(result.error_lines("genpack"))) == (OWN_FAILURE, 1), str(result)
    assert desk.genpack("bash", "--only", "sh", "-c", "exit 7").status == 7
    result = desk.genpack("build", "--only")
    assert result.status == 2, str(result)
    desk.genpack("upper", "--only").ok()
    desk.genpack("pack", "--only").ok()
    assert squashfs.cat(desk.image, "etc/motd") == "hello again\n"


def test_upper_bash(desk: Workspace, built: list[dict[str, Any]]) -> None:
    # Both layers are there: motd is of the upper one, the compiler of the lower one.
    result = desk.genpack("upper-bash", "sh", "-c", "cat /etc/motd && test -x /usr/bin/gcc && echo $ARTIFACT; exit 9")
    assert (result.status, result.stdout) == (9, "hello again\ntoy\n"), str(result)
    assert plan(desk)["pack"] == ["nothing to do"]
    assert desk.genpack("upper-bash", "no-such-command").status == 127
    script = "echo by hand > /etc/by-hand; rm /etc/issue"
    result = desk.genpack("upper-bash", "sh", "-c", script).ok()
    assert "note: the upper layer was changed" in result.stderr
    assert plan(desk)["pack"] == ["the upper layer was changed with upper-bash"]
    result = desk.genpack("pack").ok()
    assert "warning: the upper layer holds what was changed with upper-bash" in result.stderr
    names = squashfs.listing(desk.image)
    assert "etc/by-hand" in names
    assert "etc/issue" not in names
    assert plan(desk)["pack"] == ["nothing to do"]


def test_a_killed_upper_bash_counts_as_a_change(desk: Workspace, built: list[dict[str, Any]]) -> None:
    killed = desk.start("upper-bash", "sh", "-c", "echo ready >&2; exec sleep 9200")
    assert killed.stderr is not None
    assert killed.stderr.readline() == "ready\n"
    killed.kill()
    killed.communicate(timeout=60)
    wait_until(lambda: not processes_below(desk.base), "the container ends with genpack", 60)
    assert plan(desk)["pack"] == ["the upper layer was changed with upper-bash"]
    assert desk.genpack("upper-bash", "cat", "/etc/by-hand").ok().stdout == "by hand\n"


class Terminal:
    """A command on a terminal of its own, `columns` wide: everything that it writes there."""

    def __init__(self, argv: tuple[str, ...], env: dict[str, str], columns: int) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, **env},
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.text = ""
        end = time.monotonic() + BUILD_LIMIT
        while time.monotonic() < end:
            ready, _, _ = select.select([ours], [], [], 1)
            if not ready:
                continue
            try:
                data = os.read(ours, 65536)
            except OSError:  # nobody holds the other end
                break
            if not data:
                break
            self.text += data.decode(errors="replace")
        else:
            process.kill()
        os.close(ours)
        assert process.stdout is not None
        self.stdout = process.stdout.read().decode()
        self.status = process.wait()

    def lines(self) -> list[str]:
        """Everything that was on one line at a time, without colours."""
        plain = re.sub(r"\x1b\[[0-9;]*m", "", self.text)
        return [part for part in re.split(r"\r\n|\r\x1b\[K|\n", plain) if part]


def test_a_terminal(desk: Workspace, built: list[dict[str, Any]], timing: Timing) -> None:
    """The upper layer made anew, without what was done by hand, on a terminal of 64 columns."""
    command = "echo " + "a-long-word-" * 8
    desk.define(setup_commands=[command])
    start = time.monotonic()
    env = {**desk.env, "TERM": "xterm", "NO_COLOR": ""}
    shown = Terminal(desk.argv("build"), env, 64)
    timing.add("build toy, on a terminal", time.monotonic() - start)
    assert shown.status == 0, shown.text
    assert shown.stdout == f"{desk.image}\n"
    live = re.findall(r"\r\x1b\[K([^\r\n\x1b]+)", shown.text)
    assert any(re.search(r" s  upper: copy-up", line) for line in live), shown.text
    assert any(re.search(r"\[#*\.*\]  \d+ (of \d+ files|%)", line) for line in live), shown.text
    # Cut off one column before the edge, where a terminal would wrap.
    assert max(len(line) for line in live) <= 63
    assert any("upper: setup command: echo a-long-word-" in line and len(line) == 63 for line in live), shown.text
    assert "\x1b[2m" in shown.text
    last = shown.lines()
    assert "lower: skipped, nothing it depends on changed" in last
    assert any(re.match(r"upper: [\d.]+ s \(setup_commands changed: \+echo a-long-word-", line) for line in last)
    assert re.fullmatch(rf"{re.escape(str(desk.image))}: [\d.]+ [KM]iB, \d+ packages", last[-1])
    assert "etc/by-hand" not in squashfs.listing(desk.image)


@pytest.mark.parametrize(("env", "live"), [({"NO_COLOR": "1", "TERM": "xterm"}, True), ({"TERM": "dumb"}, False)])
def test_a_plain_terminal(desk: Workspace, built: list[dict[str, Any]], env: dict[str, str], live: bool) -> None:
    shown = Terminal(desk.argv("build"), {**desk.env, "NO_COLOR": "", **env}, 200)
    assert shown.status == 0
    assert ("\r\x1b[K" in shown.text) == live
    assert not re.search(r"\x1b\[[0-9;]*m", shown.text)


def test_a_failure_names_script_log_and_the_command_that_goes_on(desk: Workspace, built: list[dict[str, Any]]) -> None:
    script = desk.write("build.d/50-bad", "#!/bin/sh\nseq 100 130\necho the reason\nexit 3\n", mode=0o755)
    result = desk.genpack("build", "--compression", "lzo")
    assert result.status == 1, str(result)
    (error,) = result.error_lines("genpack")
    assert "upper: build scripts" in error
    assert "build script" in error
    assert "50-bad exited with status 3" in error
    tail = [line for line in result.stderr.splitlines() if line.startswith("  | ")]
    assert len(tail) == 20
    assert "  | the reason" in tail
    log = re.search(r"^log: (.*)$", result.stderr, re.MULTILINE)
    assert log
    assert "\n100\n" in Path(log[1]).read_text()
    again = re.search(r"^to go on: (.*)$", result.stderr, re.MULTILINE)
    assert again
    words = shlex.split(again[1])
    for option in ("--compression", "--mirror", "--keyring", "--overlay-override", "--work-dir", "--output-dir"):
        assert option in words
    script.unlink()
    done = run(*words, timeout=BUILD_LIMIT, env=desk.env, cwd=Path("/")).ok()
    assert done.stdout == f"{desk.image}\n"


def test_a_failure_names_the_package(desk: Workspace, built: list[dict[str, Any]]) -> None:
    desk.define(packages=["app-misc/toy", "app-misc/toy-broken"])
    result = desk.genpack("--json", "lower")
    assert result.status == 1, str(result)
    events = [json.loads(line) for line in result.stderr.splitlines()]
    error = events[-1]
    assert (error["event"], error["status"]) == ("error", 1)
    assert "app-misc/toy-broken-" in error["message"]
    assert any("this source is broken on purpose" in line for line in error["tail"])
    assert Path(error["log"]).is_file()
    assert shlex.split(error["go_on"])[-1] == "lower"
    assert [e["ok"] for e in events if e["event"] == "phase-end"] == [False]
    ebuild = desk.artifact / "overlay/app-misc/nowhere/nowhere-1.ebuild"
    ebuild.parent.mkdir(parents=True)
    ebuild.write_text(f'{EBUILD}SRC_URI="https://toy.invalid/gone-1.tar.gz"\n')
    result = desk.genpack("lower", "--offline")
    assert result.status == 1, str(result)
    (line,) = result.error_lines("genpack")
    assert "manifest of app-misc/nowhere: " in line
    assert line.endswith(": Fetch failed for gone-1.tar.gz")
    shutil.rmtree(desk.artifact / "overlay")
    desk.define()
    desk.genpack("build").ok()


def test_json_of_other_commands(desk: Workspace, built: list[dict[str, Any]]) -> None:
    listed = json.loads(desk.genpack("packages", "--json").ok().stdout)
    assert listed["version"] == 1
    result = desk.genpack("--json", "--arch", "vax", "check")
    assert (result.status, result.stdout) == (2, "")
    error = json.loads(result.stderr.splitlines()[-1])
    assert (error["event"], error["status"]) == ("error", 2)
    assert "unknown architecture 'vax'" in error["message"]


def removed(result: Result) -> dict[str, int]:
    """Name -> files of what was removed."""
    found = re.findall(r"^removed (\S+): [\d.]+ \w+, (\d+) files$", result.stderr, re.MULTILINE)
    return {Path(path).name: int(files) for path, files in found}


def test_clean(desk: Workspace, built: list[dict[str, Any]]) -> None:
    top = desk.work / "x86_64"
    holder = desk.start("bash", "sh", "-c", "echo ready >&2; exec sleep 9000")
    assert holder.stderr is not None
    assert holder.stderr.readline() == "ready\n"
    try:
        for part in ("upper", "cache"):
            result = desk.genpack("clean", part)
            assert result.status == 1, str(result)
            assert f"in use by process {holder.pid}" in result.stderr, str(result)
    finally:
        holder.terminate()
        holder.communicate(timeout=60)
    # What is mounted in it stops it before anything is gone.
    point = top / "lower" / "mnt" / "host"
    run("mount", "-t", "tmpfs", "none", point).ok()
    try:
        result = desk.genpack("clean")
        assert result.status == 1, str(result)
        assert f"{point} is mounted" in result.stderr
        assert (top / "upper").is_dir()
    finally:
        run("umount", point).ok()
    assert removed(desk.genpack("clean", "upper").ok())["upper"] > 10
    assert {p.name for p in top.iterdir()} >= {"lower", "logs", "state.json"}
    assert not (top / "upper").exists()
    found = plan(desk)
    assert (found["lower"], found["upper"]) == (["nothing to do"], ["not built yet"])
    everything = removed(desk.genpack("clean").ok())
    assert everything["lower"] > 1000
    assert [p.name for p in top.iterdir()] == ["lock"]
    assert desk.image.is_file()


def test_clean_cache(desk: Workspace, built: list[dict[str, Any]], tmp_path: Path) -> None:
    cache = tmp_path / "genpack"
    for name in ("binpkgs/x86_64/a", "downloads/files/b", ".removed-1/c", "own-notes"):
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_text("x" * 5000)
    result = desk.genpack("--json", "clean", "cache", env={"GENPACK_CACHE_DIR": str(cache)}).ok()
    result_event = json.loads(result.stderr.splitlines()[-1])
    assert result_event["event"] == "result"
    assert {Path(r["path"]).name for r in result_event["removed"]} == {"binpkgs", "downloads", ".removed-1"}
    assert result_event["bytes"] >= 15000
    assert {p.name for p in cache.iterdir()} == {"own-notes", "in-use.lock"}
