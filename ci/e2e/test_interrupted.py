# SPDX-License-Identifier: MIT
"""Builds that are cut off at a random moment of each phase: nothing is left, and the next one makes the same image.

GENPACK_E2E_SEED chooses the moments; without it they differ from run to run, and each is printed before it comes.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from harness import squashfs
from harness.leftovers import Family, check_nothing_left, family
from harness.machine import Timing
from harness.toy import BUILD_LIMIT, Mirror, Workspace, wait_until

PHASES = ("lower", "upper", "pack")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
SHORT, LONG = 6, 30
LARGE = 16 << 20  # bytes that can't be compressed: packing takes some seconds
INTERVAL = 0.01  # seconds between two looks at a log
#: Names of what is not whole. `lower.new` of the work folder may stay until the next build.
LEAVINGS = (".tmp", ".part", ".new")


@dataclass
class Course:
    """How a phase's log grew: (seconds since the phase began, lines) each time it did, and how long it took."""

    steps: list[tuple[float, int]] = field(default_factory=lambda: [(0.0, 0)])
    seconds: float = 0.0

    def moment(self, share: float) -> tuple[int, float]:
        """(lines, seconds after the last of them) at a share of the phase: a slower machine comes to the same place."""
        at = share * self.seconds
        since, lines = [step for step in self.steps if step[0] <= at][-1]
        return lines, at - since


def logs(space: Workspace, phase: str) -> list[Path]:
    return sorted((space.work / "x86_64" / "logs").glob(f"{phase}-*.log"))


def count(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def phase_log(space: Workspace, phase: str, process: subprocess.Popen[str], before: int) -> Path:
    """The log of the phase that runs now, as soon as there is one."""

    def begun() -> bool:
        return len(logs(space, phase)) > before or process.poll() is not None

    wait_until(begun, f"{phase} begins", BUILD_LIMIT, INTERVAL)
    assert len(logs(space, phase)) > before, process.communicate()
    return max(logs(space, phase), key=lambda path: path.stat().st_mtime_ns)


def watched(space: Workspace) -> dict[str, Course]:
    """Builds to the end, and tells how each phase went."""
    courses = {phase: Course() for phase in PHASES}
    before = {phase: len(logs(space, phase)) for phase in PHASES}
    process = space.start("build")
    for phase in PHASES:
        log, start = phase_log(space, phase, process, before[phase]), time.monotonic()
        course = courses[phase]
        following = PHASES[PHASES.index(phase) + 1 :][:1]
        while process.poll() is None and not any(len(logs(space, other)) > before[other] for other in following):
            course.seconds = time.monotonic() - start
            if (lines := count(log)) > course.steps[-1][1]:
                course.steps.append((course.seconds, lines))
            time.sleep(INTERVAL)
    assert process.wait() == 0, process.communicate()
    process.communicate()
    return courses


def results(space: Workspace) -> dict[str, str]:
    """The hash of everything that a build made."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(space.images.iterdir())}


def spoil(space: Workspace, phase: str) -> None:
    """A phase and those after it must run again, as for the first time."""
    for name in {"lower": ("lower", "upper"), "upper": ("upper",), "pack": ()}[phase]:
        subprocess.run(["rm", "-rf", space.work / "x86_64" / name], check=True)
    for path in space.images.iterdir():
        path.unlink()


def interrupt(space: Workspace, phase: str, number: signal.Signals, course: Course, share: float) -> Family | None:
    """Builds until a share of the phase is done, and sends the signal, to the whole group for Ctrl-C. None if the phase
    was faster than before, and over."""
    lines, rest = course.moment(share)
    before = len(logs(space, phase))
    process = space.start("build")
    log = phase_log(space, phase, process, before)

    def there() -> bool:
        return count(log) >= lines or process.poll() is not None

    wait_until(there, f"line {lines} of {log.name}", BUILD_LIMIT, INTERVAL)
    end = time.monotonic() + rest
    while time.monotonic() < end and process.poll() is None and count(log) <= lines:
        time.sleep(INTERVAL)
    relatives = family(process.pid)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    stderr = process.communicate(timeout=60)[1]
    assert "Traceback" not in stderr
    state = json.loads((space.work / "x86_64/state.json").read_text())
    if (state[phase] or {}).get("complete"):
        assert process.returncode in {0, -number, 128 + number}, stderr
        return None
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number), stderr
    return relatives


def nothing_half(space: Workspace, *more: Path) -> None:
    """No temporary file beside the image, in the cache, and right in the other folders given."""
    paths = [path for top in (space.images, space.cache) for path in top.rglob("*")]
    paths += [path for folder in more for path in folder.iterdir()]
    assert [path for path in paths if path.name.endswith(LEAVINGS)] == []


def tries(space: Workspace, how_many: int, timing: Timing) -> None:
    """That many times: cut off, look, build on, compare."""
    seed = os.environ.get("GENPACK_E2E_SEED") or str(random.SystemRandom().randrange(10**6))
    print(f"\nGENPACK_E2E_SEED={seed} repeats these moments", flush=True)
    chance = random.Random(seed)
    start = time.monotonic()
    space.define(users=["toy"], setup_commands=["mkdir -p /srv/toy"], compression="xz")
    space.write("etc/toy.conf", "x\n")
    (space.artifact / "files/large").write_bytes(random.Random(1).randbytes(LARGE))
    space.genpack("lower").ok()  # what it compiles is a binary package then
    spoil(space, "lower")
    courses = watched(space)
    expected = results(space)
    # Every phase with every signal, in the order of the seed; what is left over of the last round is chosen by it too.
    pairs = list(itertools.product(PHASES, SIGNALS))
    chance.shuffle(pairs)
    by_phase = [[pair for pair in pairs if pair[0] == phase] for phase in PHASES]
    chosen = [pair for turn in zip(*by_phase, strict=True) for pair in turn]
    for turn, (phase, number) in zip(range(how_many), itertools.cycle(chosen), strict=False):
        share = chance.uniform(0.02, 0.95)
        what = f"try {turn + 1}, seed {seed}: {number.name} at {share:.0%} of {phase} ({courses[phase].seconds:.1f} s)"
        print(what, flush=True)
        relatives = None
        while relatives is None:
            spoil(space, phase)
            relatives = interrupt(space, phase, number, courses[phase], share)
            share /= 2
            assert share > 0.001, f"{what}: the phase is always over"
        if number == signal.SIGKILL:  # nobody waits for what it started; the next build does
            if turn % 2:
                wait_until(lambda left=relatives.left: not left(), f"{what}: all of it ends", 60)
        else:
            assert relatives.left() == [], what
            check_nothing_left(space.base)
            nothing_half(space)
        space.genpack("build").ok()
        assert relatives.left() == [], what
        check_nothing_left(space.base)
        nothing_half(space, space.work / "x86_64")
        assert results(space) == expected, what
    timing.add(f"{how_many} builds cut off and built on", time.monotonic() - start)


@pytest.fixture
def space(toy_mirror: Mirror, tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, toy_mirror, tmp_path / "cache")


def test_at_random_moments(space: Workspace, timing: Timing) -> None:
    tries(space, SHORT, timing)
    subprocess.run(["rm", "-rf", space.work], check=True)


@pytest.mark.full
def test_at_many_random_moments(space: Workspace, timing: Timing) -> None:
    tries(space, LONG, timing)
    subprocess.run(["rm", "-rf", space.work], check=True)


EBUILD = """\
EAPI=8
inherit fcaps
DESCRIPTION="Waits in pkg_postinst while the artifact says so"
HOMEPAGE="https://toy.invalid/"
S=${WORKDIR}
LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"
FILECAPS=( cap_net_raw+ep usr/bin/held )
src_install() { newbin - held <<< "#!/bin/sh"; }
pkg_postinst() {
	while [[ -e /mnt/host/hold ]]; do sleep 0.1; done
	fcaps_pkg_postinst
}
"""


def test_killed_before_pkg_postinst(space: Workspace, timing: Timing) -> None:
    """Portage takes the package for installed, and its file capability is not set: it is merged again. If the
    boot ended with it, nothing of the lower layer is trusted, as not all of it need be on disk."""
    start = time.monotonic()
    space.define(packages=["app-misc/held"])
    ebuild = space.artifact / "overlay/app-misc/held/held-1.ebuild"
    ebuild.parent.mkdir(parents=True)
    ebuild.write_text(EBUILD)
    hold = space.artifact / "hold"
    hold.touch()
    lower = space.work / "x86_64/lower"
    process = space.start("build")
    entry = lower / "var/db/pkg/app-misc/held-1"
    wait_until(lambda: entry.is_dir() or process.poll() is not None, "held is in the database", BUILD_LIMIT)
    process.kill()
    said = process.communicate()
    assert entry.is_dir(), said
    assert "security.capability" not in os.listxattr(lower / "usr/bin/held")
    hold.unlink()
    state = space.work / "x86_64/state.json"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    killed = json.loads(state.read_text())
    assert killed["writing"] == boot
    result = space.genpack("build").ok()
    assert "unpack stage3" not in result.stderr
    assert json.loads(state.read_text())["writing"] == ""
    assert "security.capability" in os.listxattr(lower / "usr/bin/held")
    out = squashfs.extract(space.image, space.base / "out", "usr/bin/held")
    assert "security.capability" in os.listxattr(out / "usr/bin/held")
    state.write_text(json.dumps({**killed, "writing": boot[::-1]}))
    assert "lower: the machine was restarted while" in space.genpack("plan").ok().stdout
    result = space.genpack("lower").ok()
    assert result.stderr.count("note: the machine was restarted while the lower layer was being written") == 1
    assert "unpack stage3" in result.stderr
    timing.add("build, killed before pkg_postinst, and on", time.monotonic() - start)
    subprocess.run(["rm", "-rf", space.work], check=True)
