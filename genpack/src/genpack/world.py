# SPDX-License-Identifier: MIT
"""The installed packages of the lower layer, brought to what the definition says: emerge and what goes with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from genpack import atoms, binpkgs, distfiles, merges, overlays, portage, progress, tailored
from genpack.binhosts import Binhosts
from genpack.container import Container
from genpack.errors import StepError
from genpack.hashing import ABSENT
from genpack.model import Definition
from genpack.steps import Steps
from genpack.workdir import State, WorkDir

BREAKER = "genpack-break-circular-dep"
CONTINUE = "the lower layer is kept: correct the cause and run genpack again, it goes on from there"


@dataclass(frozen=True)
class World:
    """What this needs. `packages`: the cache of binary packages."""

    work: WorkDir
    artifact: Path
    definition: Definition
    container: Container
    binhosts: Binhosts
    packages: Path
    state: State
    parallel: bool = False
    deep_depclean: bool = False
    break_circular_deps: bool = False

    def update(self, steps: Steps) -> None:
        """All of it. The state is saved after each part that is done."""
        merges.forget_unfinished(self.work.lower)
        with steps.step("check binary packages"):
            found = self._binary_packages(steps)
        built_with = tailored.packages(self.definition, self.artifact, self.work.lower)
        outdated = tailored.outdated(self.state.tailored, built_with, self.work.lower)
        emerge = portage.Emerge(
            jobs=portage.processors() if self.parallel else None,
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
        if found.masked:  # emerge installs nothing that is masked: what is not there before is not there now
            with steps.step("unmerge masked packages"):
                program = "genpack-unmerge-masked-packages"
                self._run(steps, [program, *emerge.options()], program)
        with steps.step("emerge --depclean"):
            self._depclean(steps, emerge)
        with steps.step("clean up binary packages"):
            self.binhosts.forget(self.work.lower)
            now = self._cache.used(steps)
        if now.configuration:
            with steps.step("etc-update"):
                self._run(steps, ["etc-update", "--automode", "-5"], "etc-update")
        for path in distfiles.unusable(self.container):
            path.unlink(missing_ok=True)
            steps.write(f"# removed {path}: a download with a wrong checksum")
        self._require_licences(steps, now.refused)

    def _require_licences(self, steps: Steps, refused: Sequence[str]) -> None:
        """Raises StepError for what is wanted and could not be installed today: a fresh lower layer would refuse it."""
        if not refused:
            return
        with steps.step("check licences"):
            found = [(package, words.split()) for package, _, words in (each.partition(" ") for each in refused)]
            told = [f"{package} ({', '.join(words)})" for package, words in found]
            package, words = found[0]
            entry = f'"{atoms.package(package)}": "{" ".join(words)}"'
            what = f"installed and still wanted, but the licence is not accepted any more: {', '.join(told)}"
            raise steps.failure(what, tip=f"accept it with the key license ({{ {entry} }}), or take the package out")

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
        with steps.step(f"emerge {' '.join(targets)}"):
            try:
                self._emerge(steps, command)
                return
            except StepError as error:
                circle = "Error: circular dependencies:" in error.output
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

    def _run(self, steps: Steps, command: list[str], what: str) -> None:
        # With FEATURES=unmerge-backup or downgrade-backup what is removed becomes a binary package.
        with binpkgs.shared(self.packages):
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
            said: list[str] = []
            follow = progress.Emerge()

            def watch(line: str) -> progress.Progress | None:
                said.append(line)
                return follow(line)

            try:
                with binpkgs.shared(self.packages):
                    steps.command(argv, what=what, tip=CONTINUE, tail=tail, watch=watch)
            except StepError as error:
                error.output = "\n".join(said)
                raise
            finally:
                for line in self.binhosts.unreachable("\n".join(said)):
                    steps.log.note(line)

        try:
            run()
        except StepError as error:
            if (refused := self.binhosts.refused(error.output)) is not None:
                raise steps.failure(refused[0], error.tail, refused[1]) from error
            # Portage insists on a damaged package as long as it is listed.
            if not binpkgs.at_fault(error.output) or not self._cache.check(steps, deep=True).dropped:
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
