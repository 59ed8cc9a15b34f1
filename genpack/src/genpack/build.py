# SPDX-License-Identifier: MIT
"""The recipe: read, check, plan, then lower, upper, pack, each only if its inputs changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from genpack import (
    artifact,
    beside,
    binhosts,
    cache,
    container,
    durable,
    emulation,
    fetch,
    overlays,
    plan,
    planning,
    preflight,
    records,
    space,
    summary,
    tree,
)
from genpack import upper as upper_phase
from genpack.binhosts import Binhosts
from genpack.container import Container
from genpack.digests import identity
from genpack.errors import UsageError
from genpack.fetch import Mirror
from genpack.inputs import Inputs, Resolver
from genpack.lock import Lock
from genpack.log import Log
from genpack.lower import Lower
from genpack.model import Definition
from genpack.pack import Pack, epoch_of
from genpack.plan import Decision
from genpack.planning import PHASES, Named
from genpack.reasons import Reason
from genpack.settings import Settings
from genpack.steps import Steps
from genpack.trust import Verifier, keyring_file
from genpack.workdir import PhaseState, State, WorkDir
from genpack.world import World


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
    def prepare(cls, settings: Settings, log: Log, *, every: bool = False) -> Builder:
        """Checks all that can be checked without a side effect. `every`: all phases are asked for."""
        if settings.only and every:
            raise UsageError("--only: 'build' is all phases", tip="name one: genpack --only pack")
        binhosts.parse(settings.binhosts)
        preflight.root("build an image")
        preflight.programs([*preflight.LOWER_PROGRAMS, *preflight.PACK_PROGRAMS, *(["gpg"] if settings.verify else [])])
        known = planning.basis(settings, log)
        merged = known.definition
        keyring = keyring_file(settings.keyring) if settings.verify else None
        mirrors = fetch.mirrors(settings.mirrors, settings.cache, log, offline=settings.offline)
        if merged.include_commit_id:
            preflight.programs(["git"])
        preflight.nspawn()
        preflight.mksquashfs()
        emulation.require(settings.arch)
        work = WorkDir(settings.work_root, settings.arch.name, merged.variant)
        return cls(settings, log, merged, known.overlay, work, mirrors, keyring, known.lock)

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
        wanted = PHASES[: PHASES.index(until) + 1]
        overlay_hash = overlays.content_hash(self.overlay)
        if self.lock is not None:
            self.lock.check_overlay(overlay_hash, self.overlay)
        inputs = self._inputs()
        state = self.work.load()
        stage3, snapshot = (Named(each.name, each.sha256, each.mark) for each in (inputs.stage3, inputs.snapshot))
        pins = planning.pins(self.settings, self.definition, stage3, snapshot, overlay_hash, state.by_hand)
        found = planning.found(wanted, self.work, self.image, state)
        done = state.lower.key if state.lower else ""
        if self.settings.deep_depclean and found["lower"] is None and state.deep_depclean != done:
            found["lower"] = Reason(None, "--deep-depclean")
        plans, decisions = plan.decided(self.definition, pins, state, found)
        if self.settings.only:
            planning.require(decisions, wanted[:-1])
        if any(decision.runs for decision in decisions.values()):
            container.own_mounts()
        local_hash = pins.folders["overlay"]
        actions: dict[str, Callable[[Steps], None]] = {
            "lower": lambda steps: self._lower(steps, inputs, overlay_hash, local_hash, state),
            "upper": lambda steps: self._upper(steps),
            "pack": lambda steps: self._pack(steps, inputs, overlay_hash, plans, state),
        }
        for phase, decision in decisions.items():
            if decision.runs:
                if phase == "pack" and state.by_hand:
                    self.log.warning("the upper layer holds what was changed with upper-bash, and so does the image")
                self._phase(plans[phase], state, actions[phase], decision)
        count = records.package_count(self.work.upper) if until == "pack" else None
        summary.tell(self.log, decisions, state, self.image if until == "pack" else None, count)

    def _inputs(self) -> Inputs:
        if self.keyring is None:
            self.log.warning("--no-verify: signatures of stage3 and snapshot are NOT checked")
        if self.lock is not None and (missing := self.lock.missing(self.settings.arch.name)):
            self.log.note(f"genpack.lock does not pin {', '.join(missing)}: what is there now is taken")
        with (
            Verifier(self.keyring, cache.gpg(self.settings.cache)) as verifier,
            self.log.step("inputs: stage3 and snapshot"),
        ):
            resolver = Resolver(
                self.mirrors,
                verifier,
                self.settings.cache,
                log=self.log,
                lock=self.lock,
                offline=self.settings.offline,
            )
            return resolver.resolve(self.settings.arch)

    def _phase(
        self, planned: plan.PhasePlan, state: State, action: Callable[[Steps], None], decision: Decision
    ) -> None:
        """Runs a phase; until it is complete, it and what depends on it count as not done."""
        phase = planned.phase
        for later in PHASES[PHASES.index(phase) + 1 :]:
            if stale := getattr(state, later):
                stale.complete = False
        setattr(state, phase, self._state_of(planned, complete=False))
        state.by_hand = "" if phase == "upper" else state.by_hand
        self.work.save(state)
        reasons = [asdict(reason) for reason in decision.reasons]
        with Steps(phase, self.work.log_path(phase), self.log, self._places()) as steps:
            steps.write(f"# {phase}: {decision.why}")
            self.log.event("phase-start", phase=phase, why=decision.why, reasons=reasons, log=str(steps.path))
            done = self._state_of(planned, complete=False)
            try:
                action(steps)
                done.complete = True
            finally:
                done.seconds = round(steps.seconds, 1)
                self.log.event("phase-end", phase=phase, seconds=done.seconds, ok=done.complete)
        if phase == "lower" and self.settings.deep_depclean:
            state.deep_depclean = planned.key
        setattr(state, phase, done)
        self.work.save(state)

    @staticmethod
    def _state_of(planned: plan.PhasePlan, *, complete: bool) -> PhaseState:
        return PhaseState(planned.key, dict(planned.parts), complete, details=dict(planned.details))

    def _places(self) -> list[space.Place]:
        """Where a phase writes."""
        return [
            space.Place(self.work.top, "--work-dir"),
            space.Place(self.image.parent, "--output-dir"),
            space.Place(self.settings.cache, "cache folder ($GENPACK_CACHE_DIR)"),
        ]

    def _container(self, root: Path, extra: dict[str, str] | None = None) -> Container:
        return tree.for_tree(root, self.settings, self.definition, self.work, self.mirrors, extra or {})

    def _epoch(self) -> int:
        epoch = epoch_of(self.work.lower / "var/db/repos/gentoo/metadata/timestamp.commit")
        if self.lock is not None:
            self.lock.check_time(epoch)
        return epoch

    def _lower(self, steps: Steps, inputs: Inputs, overlay_hash: str, local_hash: str, state: State) -> None:
        if durable.lost(state):
            self.log.note(durable.LOST.text)
            state.stage3 = ""  # nothing of it is used
        box = self._container(self.work.lower)
        world = World(
            work=self.work,
            artifact=self.settings.directory,
            definition=self.definition,
            container=box,
            binhosts=Binhosts.of(self.settings, self.keyring, self.work.binhosts, self.log),
            packages=tree.binpkgs(self.settings, self.definition, self.work),
            state=state,
            parallel=self.settings.parallel,
            deep_depclean=self.settings.deep_depclean,
            break_circular_deps=self.settings.break_circular_deps,
        )
        with durable.writing(self.work, state) as write_out:
            Lower(
                work=self.work,
                artifact=self.settings.directory,
                arch=self.settings.arch,
                definition=self.definition,
                inputs=inputs,
                overlay=self.overlay,
                overlay_hash=overlay_hash,
                local_hash=local_hash,
                container=box,
                state=state,
                world=world,
                write_out=write_out,
            ).run(steps)

    def _upper(self, steps: Steps) -> None:
        merged = self.definition
        commit = upper_phase.commit_id(self.settings.directory) if merged.include_commit_id else ""
        box = self._container(self.work.merged, tree.upper_environment(merged, self._epoch()))
        copied = upper_phase.Upper(self.work, self.settings.directory, merged, box, commit).run(steps)
        steps.write(f"# copied up: {json.dumps(copied.__dict__)}")

    def _pack(
        self, steps: Steps, inputs: Inputs, overlay_hash: str, plans: dict[str, plan.PhasePlan], state: State
    ) -> None:
        packer = Pack(self.work.upper, self.image, self.definition.compression, self._epoch())
        left_out = packer.run(steps)
        beside.make(steps, packer, left_out, self.work, self.definition, inputs, overlay_hash, plans)
        state.image, state.image_identity = str(self.image), list(identity(self.image))
