# SPDX-License-Identifier: MIT
"""The recipe: read, check, plan, then lower, upper, pack, each only if its inputs changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from genpack import (
    artifact,
    beside,
    container,
    fetch,
    files,
    hashing,
    lock,
    overlay_source,
    overlays,
    plan,
    preflight,
    records,
    tree,
)
from genpack import upper as upper_phase
from genpack.container import Container
from genpack.digests import identity
from genpack.fetch import Mirror
from genpack.inputs import Inputs, Resolver
from genpack.lock import Lock
from genpack.log import Log, duration, size
from genpack.lower import Lower
from genpack.model import Definition
from genpack.pack import Pack, epoch_of
from genpack.settings import Settings
from genpack.steps import Steps
from genpack.trust import Verifier, keyring_file
from genpack.workdir import PhaseState, State, WorkDir

PHASES = ("lower", "upper", "pack")


@dataclass
class Builder:
    """One run: what was found out before the first phase. Paths are absolute."""

    settings: Settings
    log: Log
    definition: Definition
    overlay: Path
    work: WorkDir
    mirrors: Sequence[Mirror]
    keyring: Path | None
    lock: Lock | None

    @classmethod
    def prepare(cls, settings: Settings, log: Log) -> Builder:
        """Checks all that can be checked without a side effect."""
        preflight.root("build an image")
        preflight.programs([*preflight.LOWER_PROGRAMS, *preflight.PACK_PROGRAMS, *(["gpg"] if settings.verify else [])])
        pins = lock.read(settings.directory)
        if settings.locked:
            lock.require(pins, settings.arch.name)
        overlay = overlay_source.locate(settings, log, pins).folder
        merged = artifact.load(settings, log, overlay)
        overlays.require_arch(overlay, settings.arch.gentoo)
        keyring = keyring_file(settings.keyring) if settings.verify else None
        mirrors = fetch.mirrors(settings.mirrors, settings.cache, log, offline=settings.offline)
        if merged.include_commit_id:
            preflight.programs(["git"])
        preflight.nspawn()
        preflight.mksquashfs()
        preflight.emulation(settings.arch)
        work = WorkDir(settings.work_root, settings.arch.name, merged.variant)
        return cls(settings, log, merged, overlay, work, mirrors, keyring, pins)

    @property
    def image(self) -> Path:
        """The image's final path."""
        return artifact.image_path(self.settings, self.definition)

    def run(self, until: str) -> None:
        """The phases up to and with `until`, under the work folder's lock."""
        self.work.prepare()
        with self.work.locked():
            self._run(until)

    def _run(self, until: str) -> None:
        overlay_hash = overlays.content_hash(self.overlay)
        if self.lock is not None:
            self.lock.check_overlay(overlay_hash, self.overlay)
        inputs = self._inputs()
        folders = {name: hashing.of_folder(self.settings.directory / name) for name in artifact.FOLDERS}
        commit = upper_phase.commit_id(self.settings.directory) if self.definition.include_commit_id else ""
        pins = plan.Pins(inputs.stage3.sha256, inputs.snapshot.sha256, overlay_hash, folders, commit)
        plans = plan.plan(self.definition, pins, self.definition.compression, self.definition.outfile)
        state = self.work.load()
        wanted = PHASES[: PHASES.index(until) + 1]
        reasons = {phase: self._reasons(phase, plans[phase], state) for phase in wanted}
        if any(reasons.values()):
            container.own_mounts()
        actions: dict[str, Callable[[Steps], None]] = {
            "lower": lambda steps: self._lower(inputs, overlay_hash, folders["overlay"], state).run(steps),
            "upper": lambda steps: self._upper(steps),
            "pack": lambda steps: self._pack(steps, inputs, overlay_hash, plans, state),
        }
        stale = False
        for phase in wanted:
            if stale or reasons[phase]:
                self._phase(phase, plans[phase], state, actions[phase], reasons[phase])
                stale = True
        self._summary(wanted, reasons, state, until)

    def _inputs(self) -> Inputs:
        if self.keyring is None:
            self.log.warning("--no-verify: signatures of stage3 and snapshot are NOT checked")
        if self.lock is not None and (missing := self.lock.missing(self.settings.arch.name)):
            self.log.note(f"genpack.lock does not pin {', '.join(missing)}: what is there now is taken")
        with Verifier(self.keyring) as verifier, self.log.step("inputs: stage3 and snapshot"):
            resolver = Resolver(
                self.mirrors,
                verifier,
                self.settings.cache,
                log=self.log,
                lock=self.lock,
                offline=self.settings.offline,
            )
            return resolver.resolve(self.settings.arch)

    def _reasons(self, phase: str, planned: plan.PhasePlan, state: State) -> list[str]:
        """Why a phase must run, from its inputs and from what is there."""
        saved: PhaseState | None = getattr(state, phase)
        place = {"lower": self.work.lower, "upper": self.work.upper, "pack": self.image}[phase]
        if not place.exists():
            return ["not built yet"]
        if phase == "pack" and (state.image != str(place) or state.image_identity != list(identity(place))):
            return [f"{place.name} is not the file that was written"]
        if phase == "pack" and (missing := beside.missing(place, self.work)):
            return [f"{missing.name} is missing"]
        return planned.reasons(saved)

    def _phase(
        self,
        phase: str,
        planned: plan.PhasePlan,
        state: State,
        action: Callable[[Steps], None],
        reasons: list[str],
    ) -> None:
        """Runs a phase; until it is complete, it and what depends on it count as not done."""
        self.log.debug(f"{phase}: {', '.join(reasons) or 'the phase before it ran'}")
        for later in PHASES[PHASES.index(phase) + 1 :]:
            if stale := getattr(state, later):
                stale.complete = False
        setattr(state, phase, PhaseState(planned.key, dict(planned.parts), complete=False))
        self.work.save(state)
        with Steps(phase, self.work.log_path(phase), self.log) as steps:
            steps.write(f"# {phase}: {', '.join(reasons) or 'the phase before it ran'}")
            action(steps)
            done = PhaseState(planned.key, dict(planned.parts), complete=True, seconds=round(steps.seconds, 1))
        # The container's syncs are suppressed: written out once, before the state says that it is done.
        if phase == "lower":
            files.sync_filesystem(self.work.lower)
        setattr(state, phase, done)
        self.work.save(state)

    def _container(self, root: Path, extra: dict[str, str] | None = None) -> Container:
        return tree.for_tree(root, self.settings, self.definition, self.work, self.mirrors, extra or {})

    def _epoch(self) -> int:
        epoch = epoch_of(self.work.lower / "var/db/repos/gentoo/metadata/timestamp.commit")
        if self.lock is not None:
            self.lock.check_time(epoch)
        return epoch

    def _lower(self, inputs: Inputs, overlay_hash: str, local_hash: str, state: State) -> Lower:
        return Lower(
            work=self.work,
            artifact=self.settings.directory,
            arch=self.settings.arch,
            definition=self.definition,
            inputs=inputs,
            overlay=self.overlay,
            overlay_hash=overlay_hash,
            local_hash=local_hash,
            container=self._container(self.work.lower),
            state=state,
        )

    def _upper(self, steps: Steps) -> None:
        merged = self.definition
        env = {"ARTIFACT": merged.name, "PROFILE": merged.profile or "", "GENPACK_ARCH": merged.arch}
        env |= {"VARIANT": merged.variant} if merged.variant else {}
        env |= {"SOURCE_DATE_EPOCH": str(self._epoch())}
        commit = upper_phase.commit_id(self.settings.directory) if merged.include_commit_id else ""
        box = self._container(self.work.merged, env)
        copied = upper_phase.Upper(self.work, self.settings.directory, merged, box, commit).run(steps)
        steps.write(f"# copied up: {json.dumps(copied.__dict__)}")

    def _pack(
        self, steps: Steps, inputs: Inputs, overlay_hash: str, plans: dict[str, plan.PhasePlan], state: State
    ) -> None:
        packer = Pack(self.work.upper, self.image, self.definition.compression, self._epoch())
        left_out = packer.run(steps)
        beside.make(steps, packer, left_out, self.work, self.definition, inputs, overlay_hash, plans)
        state.image, state.image_identity = str(self.image), list(identity(self.image))

    def _summary(self, wanted: tuple[str, ...], reasons: dict[str, list[str]], state: State, until: str) -> None:
        """What was made, and what was skipped and why."""
        ran = [phase for index, phase in enumerate(wanted) if any(reasons[name] for name in wanted[: index + 1])]
        for phase in wanted:
            saved: PhaseState = getattr(state, phase)
            if phase in ran:
                why = ", ".join(reasons[phase]) or "the phase before it ran"
                self.log.line(f"{phase}: {duration(saved.seconds)} ({why})")
            else:
                self.log.line(f"{phase}: skipped, nothing it depends on changed")
        if until == "pack":
            count = records.package_count(self.work.upper)
            self.log.line(f"{self.image}: {size(self.image.stat().st_size)}, {count} packages")
