# SPDX-License-Identifier: MIT
"""The lower phase: stage3, repositories, Portage's configuration, emerge. What is there is updated in place."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from genpack import binpkgs, distfiles, merges, overlays, portage, process, progress, space, tailored, timestamp
from genpack.arch import Arch
from genpack.binhosts import Binhosts
from genpack.container import MOUNT_POINTS, Container
from genpack.errors import GenpackError, StepError
from genpack.hashing import ABSENT
from genpack.inputs import Input, Inputs
from genpack.model import Definition
from genpack.overlays import REPOSITORIES
from genpack.steps import Steps
from genpack.workdir import State, WorkDir

BREAKER = "genpack-break-circular-dep"
CONTINUE = "the lower layer is kept: correct the cause and run genpack again, it goes on from there"


@dataclass(frozen=True)
class Lower:
    """What the phase needs. `overlay_hash` and `local_hash` are the contents of the two repositories."""

    work: WorkDir
    artifact: Path
    arch: Arch
    definition: Definition
    inputs: Inputs
    overlay: Path
    overlay_hash: str
    local_hash: str
    container: Container
    binhosts: Binhosts
    packages: Path
    state: State
    parallel: bool = False
    deep_depclean: bool = False
    break_circular_deps: bool = False

    def run(self, steps: Steps) -> None:
        """The whole phase. The state is saved after each part of it that is done."""
        if self.state.stage3 != self.inputs.stage3.sha256 or not self.work.lower.is_dir():
            self.unpack_stage3(steps)
        if self.state.snapshot != self.inputs.snapshot.sha256:
            self.unpack_snapshot(steps)
        if (self.state.overlay, self.state.local_overlay) != (self.overlay_hash, self.local_hash):
            self.copy_overlays(steps)
        self.configure(steps)
        if self.state.indexed != f"{self.overlay_hash} {self.local_hash}":
            self.index(steps)
        self.emerge(steps)

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
            fresh = State(stage3=stage3.sha256, lower=self.state.lower)
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
        for ebuild in overlays.without_manifest(local):
            with steps.step(f"manifest of {Path(ebuild).parent}"):
                path = f"/{REPOSITORIES}/{overlays.LOCAL_NAME}/{ebuild}"
                self._run(steps, ["ebuild", path, "manifest"], f"making the Manifest of {Path(ebuild).parent}")
        names = [overlays.NAME]
        if local.is_dir():
            names.append((local / "profiles/repo_name").read_text().strip())
        for name in names:
            with steps.step(f"index {name}"):
                command = ["egencache", "--update", f"--repo={name}", f"--jobs={_jobs()}"]
                self._run(steps, command, f"egencache (is an ebuild of {name} broken?)")
        self.state.indexed = f"{self.overlay_hash} {self.local_hash}"
        self.work.save(self.state)

    def emerge(self, steps: Steps) -> None:
        """Brings the installed packages to what the definition says."""
        merges.forget_unfinished(self.work.lower)
        with steps.step("check binary packages"):
            found = self._binary_packages(steps)
        built_with = tailored.packages(self.definition, self.artifact, self.work.lower)
        outdated = tailored.outdated(self.state.tailored, built_with, self.work.lower)
        emerge = portage.Emerge(
            jobs=_jobs() if self.parallel else None,
            excludes=tuple(dict.fromkeys([*self.definition.binpkg_excludes, *built_with])),
            getbinpkg=self.binhosts.used,
            stale=found.stale,
            reinstall=sorted({*found.reinstall, *outdated, *merges.unfinished(self.work.lower)}),
        )
        before = replace(emerge, reinstall=())
        self._given_breaker(steps, before)
        if self.definition.buildtime_packages_first and self.definition.buildtime_packages:
            self._update(steps, before, "@genpack-buildtime")
        self._update(steps, emerge, "@world", "@genpack-runtime", "@genpack-buildtime")
        self.state.settled, self.state.tailored = True, built_with
        self.work.save(self.state)
        if self._has_kernel_modules():
            with steps.step("kernel modules"):
                self._emerge(steps, ["rebuild-kernel-modules-if-necessary", *emerge.options(), "--buildpkg"])
        if self._preserved_libraries():
            with steps.step("emerge @preserved-rebuild"):
                self._emerge(steps, emerge.rebuild("@preserved-rebuild"))
        with steps.step("unmerge masked packages"):
            program = "genpack-unmerge-masked-packages"
            self._run(steps, [program, *emerge.options()], program)
        with steps.step("emerge --depclean"):
            self._depclean(steps, emerge)
        with steps.step("etc-update"):
            self._run(steps, ["etc-update", "--automode", "-5"], "etc-update")
        with steps.step("clean up binary packages"):
            self.binhosts.forget(self.work.lower)
            self._cache.used(steps)
        for path in distfiles.unusable(self.container):
            path.unlink(missing_ok=True)
            steps.write(f"# removed {path}: a download with a wrong checksum")

    def _given_breaker(self, steps: Steps, emerge: portage.Emerge) -> None:
        """Installs the packages of the key circulardep_breaker, once for each of its values."""
        breaker = self.definition.circulardep_breaker
        breaker_key = "" if breaker is None else json.dumps([breaker.packages, breaker.use])
        if breaker and breaker.packages and self.state.breaker != breaker_key:
            with steps.step("emerge what breaks a circular dependency"):
                command = ["env", f"USE={' '.join(breaker.use)}", *emerge.update(*breaker.packages, oneshot=True)]
                self._emerge(steps, command)
        self.state.breaker = breaker_key
        self.work.save(self.state)

    def _update(self, steps: Steps, emerge: portage.Emerge, *targets: str) -> None:
        """Installs and updates targets. If Portage finds a circular dependency, its known members are built first."""
        command = emerge.update(*targets)
        start = steps.path.stat().st_size
        with steps.step(f"emerge {' '.join(targets)}"):
            try:
                self._emerge(steps, command)
                return
            except StepError as error:
                with steps.path.open("rb") as log:
                    log.seek(start)
                    circle = b"Error: circular dependencies:" in log.read()
                if circle and self.state.settled and not self.break_circular_deps:
                    error.tip = "try --break-circular-deps, or the key circulardep_breaker"
                if not circle or (self.state.settled and not self.break_circular_deps):
                    raise
        with steps.step("break the circular dependency"):
            if not (self.work.lower / "usr/bin" / BREAKER).exists():  # it comes with what can't be resolved yet
                self._emerge(steps, replace(emerge, reinstall=()).update("genpack/genpack-progs", oneshot=True))
            self._emerge(steps, [BREAKER, *command])
        with steps.step(f"emerge {' '.join(targets)} again"):
            self._emerge(steps, command)

    def _depclean(self, steps: Steps, emerge: portage.Emerge) -> None:
        if not self.deep_depclean:
            try:
                self._run(steps, emerge.depclean(), "emerge --depclean")
                return
            except StepError as error:
                steps.write(f"# {error.message}: again without build-time dependencies")
        self._run(steps, emerge.depclean(build_dependencies=False), "emerge --depclean --with-bdeps=n")

    @property
    def _box(self) -> Container:
        """The container in which Portage sees the binary package hosts."""
        box = self.container
        env = {**box.env, **self.binhosts.environment}
        return replace(box, read_only=[*box.read_only, *self.binhosts.mounts], env=env)

    @property
    def _cache(self) -> binpkgs.Cache:
        local = overlays.local_name(self.artifact / "overlay") if self.state.local_overlay != ABSENT else None
        return binpkgs.Cache(self.packages, self._box, local)

    def _binary_packages(self, steps: Steps) -> binpkgs.Findings:
        """Makes the hosts known and looks after the cache."""
        if self.binhosts.needs_trust_helper(self.work.lower):
            self._run(steps, ["getuto"], "getuto, Portage's set-up of trusted keys,")
        self.binhosts.prepare(self.work.lower)
        for _, target in self.binhosts.mounts:
            (self.work.lower / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
        return self._cache.check(steps)

    def _require_room(self, archive: Input) -> None:
        space.require(self.work.top, unpacked_size(archive.path), f"{archive.path.name}, unpacked,")

    def _run(self, steps: Steps, command: list[str], what: str) -> None:
        steps.command(self.container.argv(command), what=what, tip=CONTINUE)

    def _emerge(self, steps: Steps, command: list[str]) -> None:
        """Runs emerge; if a package's build fails, the end of its build log is shown, not that of emerge."""
        for old in self._build_logs():
            old.unlink(missing_ok=True)

        def tail() -> list[str]:
            failed = self._build_logs()
            for number, path in enumerate(failed):
                copy = steps.path.with_name(f"{steps.path.stem}.build-{number}.log")
                shutil.copyfile(path, copy)
                steps.write(f"# build log of {path.parent.parent.name}: {copy}")
            if not failed:
                return []
            return [f"build log of {failed[-1].parent.parent.name}:", *portage.failure_lines(failed[-1], 19)]

        what = next(word for word in command if word != "env" and "=" not in word)
        argv = self._box.argv(command)

        def run() -> None:
            begin = steps.path.stat().st_size
            try:
                with binpkgs.shared(self.packages):
                    steps.command(argv, what=what, tip=CONTINUE, tail=tail, watch=progress.Emerge())
            finally:
                output.append(steps.path.read_bytes()[begin:].decode(errors="replace"))
                for line in self.binhosts.unreachable(output[-1]):
                    steps.log.note(line)

        output: list[str] = []
        try:
            run()
        except StepError as error:
            if (refused := self.binhosts.refused(output[-1])) is not None:
                raise steps.failure(refused[0], error.tail, refused[1]) from error
            # Portage insists on a damaged package as long as it is listed.
            if not binpkgs.at_fault(output[-1]) or not self._cache.check(steps, deep=True).dropped:
                raise
            run()

    def _build_logs(self) -> list[Path]:
        """Build logs that Portage left: of packages that failed. The newest is the last."""
        found = (self.work.lower / "var/tmp/portage").glob("*/*/temp/build.log")
        return sorted(found, key=lambda path: path.stat().st_mtime_ns)

    def _has_kernel_modules(self) -> bool:
        """True if a package that builds kernel modules is installed."""
        eclasses = {"linux-mod", "linux-mod-r1"}
        inherited = (self.work.lower / "var/db/pkg").glob("*/*/INHERITED")
        return any(eclasses & set(file.read_text(errors="replace").split()) for file in inherited)

    def _preserved_libraries(self) -> bool:
        """True if Portage keeps old libraries for packages that still need them."""
        registry = self.work.lower / "var/lib/portage/preserved_libs_registry"
        try:
            return bool(json.loads(registry.read_text()))
        except (OSError, ValueError):
            return False


def _jobs() -> int:
    return len(os.sched_getaffinity(0))


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
