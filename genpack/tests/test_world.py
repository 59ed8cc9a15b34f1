# SPDX-License-Identifier: MIT
"""What the lower phase does beside emerge, in a container that runs programs of the test's own instead."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from conftest import Reading
from genpack.binhosts import Binhosts
from genpack.container import Container
from genpack.errors import StepError
from genpack.log import Log
from genpack.steps import Steps
from genpack.workdir import State, WorkDir
from genpack.world import World

from genpack import merge, portage


@dataclass(frozen=True)
class Box(Container):
    """Runs a shell script in place of every command."""

    script: str = "true"

    def argv(
        self, command: Sequence[str], *, network: bool = True, tmpfs: Sequence[str] = (), console: str = "pipe"
    ) -> list[str | Path]:
        return ["sh", "-c", self.script, *command]


@pytest.fixture
def world(tmp_path: Path, read: Reading) -> World:
    work = WorkDir(tmp_path / "work", "x86_64", None)
    work.prepare()
    definition = merge.merge(read("{name: 'x'}")[0], "x86_64", None, "x")
    hosts = Binhosts([], False, None, work.binhosts)
    return World(work, tmp_path / "artifact", definition, Box(work.lower), hosts, tmp_path / "binpkgs/x86_64", State())


@pytest.fixture
def steps(tmp_path: Path) -> Iterator[Steps]:
    with Steps("lower", tmp_path / "log", Log()) as made:
        yield made


@pytest.mark.spawns
def test_the_binary_packages_are_locked_while_packages_are_removed(world: World, steps: Steps) -> None:
    world.packages.parent.mkdir()
    lock = shlex.quote(f"{world.packages}.lock")
    held = replace(world, container=Box(world.work.lower, script=f"! flock --nonblock {lock} true"))
    held._depclean(steps, portage.Emerge())
    held._run(steps, ["genpack-unmerge-masked-packages"], "it")


@pytest.mark.spawns
def test_depclean_falls_back_to_run_time_dependencies(world: World, steps: Steps) -> None:
    fussy = Box(world.work.lower, script='case "$*" in *--with-bdeps=n*) ;; *) exit 1 ;; esac')
    replace(world, container=fussy)._depclean(steps, portage.Emerge())
    with pytest.raises(StepError, match="with-bdeps=n"):
        replace(world, container=Box(world.work.lower, script="exit 1"))._depclean(steps, portage.Emerge())


@pytest.mark.spawns
def test_what_emerge_said_is_kept_with_its_error(world: World, steps: Steps) -> None:
    circle = replace(world, container=Box(world.work.lower, script="echo '>>> one'; echo two >&2; exit 1"))
    with pytest.raises(StepError) as caught:
        circle._emerge(steps, ["emerge", "x"])
    assert caught.value.output.splitlines() == [">>> one", "two"]


#: Appends what is run to the file $0; answers for genpack's own program as it would.
ASKED = """printf '%s\\n' "$*" >> "$0"
case "$*" in *'"do": "check"'*) echo "$CHECK" ;; *'"do": "use"'*) echo "$USE" ;; esac"""


@dataclass(frozen=True)
class Answering(Container):
    """Writes down every command in `log`; Portage's view is `check` before emerge and `use` after it."""

    log: Path = Path()
    check: str = ""
    use: str = ""

    def argv(
        self, command: Sequence[str], *, network: bool = True, tmpfs: Sequence[str] = (), console: str = "pipe"
    ) -> list[str | Path]:
        return ["env", f"CHECK={self.check}", f"USE={self.use}", "sh", "-c", ASKED, self.log, *command]

    def ran(self) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if not line.startswith("python3 ")]


def answering(world: World, tmp_path: Path, check: str = "", use: str = "") -> Answering:
    return Answering(world.work.lower, log=tmp_path / "ran", check=check, use=use)


@pytest.mark.spawns
@pytest.mark.parametrize("parallel", [False, True])
def test_packages_at_a_time(world: World, steps: Steps, tmp_path: Path, parallel: bool) -> None:
    box = answering(world, tmp_path)
    replace(world, container=box, parallel=parallel).update(steps)
    (update, depclean) = box.ran()
    assert update.endswith(" @world @genpack-runtime @genpack-buildtime")
    assert "--depclean" in depclean
    for words in (update, depclean):
        assert (f" --jobs={portage.processors()} " in words) is parallel


@pytest.mark.spawns
def test_what_nothing_asks_for_is_not_run(world: World, steps: Steps, tmp_path: Path) -> None:
    box = answering(world, tmp_path, '{"masked": "a/b-1"}', '{"configuration": "/etc/._cfg0000_x"}')
    replace(world, container=box).update(steps)
    assert [words.split()[0] for words in box.ran()] == [
        *("emerge", "genpack-unmerge-masked-packages", "emerge", "etc-update"),
    ]
    kernel = world.work.lower / "var/db/pkg/sys-kernel/module-1/INHERITED"
    kernel.parent.mkdir(parents=True)
    kernel.write_text("linux-mod-r1\n")
    registry = world.work.lower / "var/lib/portage/preserved_libs_registry"
    registry.parent.mkdir(parents=True)
    registry.write_text('{"a/b:0": ["a/b-1", "1", ["/usr/lib/libb.so.1"]]}')
    box.log.unlink()
    replace(world, container=replace(box, check="", use="")).update(steps)
    assert [words.split()[0] for words in box.ran()] == [
        *("emerge", "rebuild-kernel-modules-if-necessary", "emerge", "emerge"),
    ]
    assert box.ran()[2].endswith(" @preserved-rebuild")


@pytest.mark.spawns
def test_licences(world: World, steps: Steps, tmp_path: Path) -> None:
    box = answering(world, tmp_path, use='{"refused": "a/b-1-r2 one two"}')
    with pytest.raises(StepError, match=r"not accepted any more: a/b-1-r2 \(one, two\)$") as caught:
        replace(world, container=box).update(steps)
    assert '({ "a/b": "one two" })' in str(caught.value.tip)
    assert world.state.settled
