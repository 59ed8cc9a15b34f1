# SPDX-License-Identifier: MIT
"""The lower phase: stage3, repositories, Portage's configuration, packages. What is there is updated in place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from genpack import overlays, portage, process, space, timestamp
from genpack.arch import Arch
from genpack.container import INSIDE, MOUNT_POINTS, Container
from genpack.errors import GenpackError
from genpack.hashing import ABSENT
from genpack.inputs import Input, Inputs
from genpack.model import Definition
from genpack.overlays import REPOSITORIES
from genpack.steps import Steps
from genpack.workdir import State, WorkDir
from genpack.world import CONTINUE, World


@dataclass(frozen=True)
class Lower:
    """What the phase needs. `overlay_hash` and `local_hash` are the contents of the two repositories; `write_out`
    begins to write to disk what is there so far."""

    work: WorkDir
    artifact: Path
    arch: Arch
    definition: Definition
    inputs: Inputs
    overlay: Path
    overlay_hash: str
    local_hash: str
    container: Container
    state: State
    world: World
    write_out: Callable[[], None]

    def run(self, steps: Steps) -> None:
        """The whole phase. The state is saved after each part of it that is done."""
        if self.state.stage3 != self.inputs.stage3.sha256 or not self.work.lower.is_dir():
            self.unpack_stage3(steps)
        if self.state.snapshot != self.inputs.snapshot.sha256:
            self.unpack_snapshot(steps)
        if (self.state.overlay, self.state.local_overlay) != (self.overlay_hash, self.local_hash):
            self.copy_overlays(steps)
            self.write_out()  # while emerge works
        self.configure(steps)
        if self.state.indexed != f"{self.overlay_hash} {self.local_hash}":
            self.index(steps)
        self.world.update(steps)

    def unpack_stage3(self, steps: Steps) -> None:
        """A fresh lower layer; the old one is gone only when the new one is complete."""
        stage3 = self.inputs.stage3
        with steps.step(f"unpack {stage3.path.name}"):
            self.work.remove(self.work.lower_new)
            self._require_room(stage3)
            self.work.lower_new.mkdir()
            _untar(steps, stage3, self.work.lower_new, [])
            if not (self.work.lower_new / "usr/bin/emerge").exists():
                what = f"{stage3.name} has no /usr/bin/emerge: it is no stage3"
                raise steps.failure(what, tip="use another --mirror")
            _unchanged(stage3)
            self.work.remove(self.work.lower)
            self.work.save(State())
            self.work.lower_new.rename(self.work.lower)
            fresh = State(stage3=stage3.sha256, lower=self.state.lower, writing=self.state.writing)
            self.state.__dict__.update(fresh.__dict__)
            self.work.save(self.state)

    def unpack_snapshot(self, steps: Steps) -> None:
        snapshot = self.inputs.snapshot
        with steps.step(f"unpack {Path(snapshot.name).name}"):
            fresh, target = (self.work.lower / REPOSITORIES / name for name in ("gentoo.new", "gentoo"))
            self.work.remove(fresh)
            self._require_room(snapshot)
            fresh.mkdir(parents=True)
            _untar(steps, snapshot, fresh, ["--strip-components=1"])
            timestamp.of_file(fresh / timestamp.MEMBER, f"{timestamp.MEMBER} of {snapshot.name}")
            _unchanged(snapshot)
            # Forgotten before it goes: a run that is cut off here may be followed by one that wants the old one.
            self.state.snapshot = ""
            self.work.save(self.state)
            self.work.remove(target)
            fresh.rename(target)
            self.state.snapshot = snapshot.sha256
            self.work.save(self.state)

    def copy_overlays(self, steps: Steps) -> None:
        with steps.step(f"copy {overlays.NAME}"):
            top = self.work.lower / REPOSITORIES
            self.state.overlay = self.state.local_overlay = self.state.indexed = ""
            self.work.save(self.state)
            overlays.install(self.overlay, top / overlays.NAME)
            overlays.install_local(self.artifact / "overlay", top / overlays.LOCAL_NAME)
            self.state.overlay, self.state.local_overlay = self.overlay_hash, self.local_hash
            self.work.save(self.state)

    def configure(self, steps: Steps) -> None:
        """Portage's configuration, as the definition says and no more."""
        with steps.step("configure Portage"):
            lower = self.work.lower
            for name in (*MOUNT_POINTS, *(target.lstrip("/") for _, target in self.container.read_only)):
                (lower / name).mkdir(parents=True, exist_ok=True)
            resolv = lower / "etc/resolv.conf"
            if not resolv.exists() and not resolv.is_symlink():
                resolv.touch()  # a mount point for the host's
            local = overlays.local_name(self.artifact / "overlay") if self.state.local_overlay != ABSENT else None
            copies = portage.folder_files(self.artifact, self.arch.name)
            files = portage.config_files(self.definition, local)
            # Known before it is done: an interrupted run leaves nothing that the next one would not remove.
            self.state.managed = sorted({*self.state.managed, *files, *copies})
            self.work.save(self.state)
            self.state.managed = portage.apply(lower, files, copies, self.state.managed)
            portage.link_profile(lower, portage.make_profile(self.arch, self.definition.profile))
            self.work.save(self.state)

    def index(self, steps: Steps) -> None:
        """Manifests for local packages that have none; md5-cache: without it each resolution sources every ebuild."""
        local = self.work.lower / REPOSITORIES / overlays.LOCAL_NAME
        place = f"/{REPOSITORIES}/{overlays.LOCAL_NAME}"
        lacking = overlays.without_manifest(local)
        if lacking:
            with steps.step("look for source archives in folder mirrors"):
                words = ["python3", "-B", f"{INSIDE}/archives.py", place, *lacking]
                steps.command(self.container.with_programs().argv(words), what="reading ebuilds of overlay/")
        for ebuild in lacking:
            with steps.step(f"manifest of {Path(ebuild).parent}"):
                self._run(steps, ["ebuild", f"{place}/{ebuild}", "manifest"], f"the Manifest of {Path(ebuild).parent}")
        names = [overlays.NAME]
        if local.is_dir():
            names.append((local / "profiles/repo_name").read_text().strip())
        for name in names:
            with steps.step(f"index {name}"):
                command = ["egencache", "--update", f"--repo={name}", f"--jobs={portage.processors()}"]
                self._run(steps, command, f"egencache (is an ebuild of {name} broken?)")
        self.state.indexed = f"{self.overlay_hash} {self.local_hash}"
        self.work.save(self.state)

    def _require_room(self, archive: Input) -> None:
        space.require(self.work.top, unpacked_size(archive.path), f"{archive.path.name}, unpacked,")

    def _run(self, steps: Steps, command: list[str], what: str) -> None:
        steps.command(self.container.argv(command), what=what, tip=CONTINUE)


def unpacked_size(archive: Path) -> int:
    """Bytes of a .tar.xz's content, as its index says; 0 if it says nothing (tar will tell what is wrong with it)."""
    result = process.run(["xz", "--robot", "--list", archive], check=False)
    totals = [line.split("\t") for line in result.stdout.decode().splitlines() if line.startswith("totals\t")]
    return int(totals[0][4]) if result.returncode == 0 and totals else 0


def _untar(steps: Steps, source: Input, target: Path, more: list[str]) -> None:
    """Unpacks a verified archive, with extended attributes (file capabilities) and numeric owners."""
    words = ["tar", "--extract", f"--file={source.path}", f"--directory={target}"]
    words += ["--use-compress-program=xz -T0", "--xattrs", "--xattrs-include=*", "--numeric-owner", "--same-owner"]
    words += ["--preserve-permissions", *more]
    steps.command(words, what=f"tar of {source.path.name}", tip="fetch the archive again")


def _unchanged(source: Input) -> None:
    """Raises GenpackError if the file was written to since it was verified."""
    if not source.unchanged():
        raise GenpackError(f"{source.path} changed while it was unpacked", tip="run genpack again")
