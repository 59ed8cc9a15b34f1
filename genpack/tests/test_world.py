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
    with Steps("lower", tmp_path / "log", Log()) as made, made.step("test"):
        yield made


@pytest.mark.spawns
def test_the_binary_packages_are_locked_while_packages_are_removed(world: World, steps: Steps) -> None:
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
