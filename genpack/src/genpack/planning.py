# SPDX-License-Identifier: MIT
"""What planning needs to know, read from disk: the inputs' hashes and what is there of earlier builds; and the plan
itself as `genpack plan` prints it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from genpack import artifact, beside, durable, fetch, hashing, lock, overlay_source, overlays, plan
from genpack import upper as upper_phase
from genpack.digests import identity
from genpack.errors import GenpackError
from genpack.expected import Expected, Foresight
from genpack.lock import Lock
from genpack.log import Log, size
from genpack.model import Definition
from genpack.plan import Decision, Pins
from genpack.reasons import NOT_BUILT, Reason
from genpack.settings import Settings
from genpack.workdir import State, WorkDir

PHASES = ("lower", "upper", "pack")
VERSION = 1


@dataclass(frozen=True)
class Named:
    """A file from a mirror: its path there, its SHA-256 (empty if it is not known) and its mark."""

    name: str
    sha256: str
    mark: str = ""


@dataclass(frozen=True)
class Basis:
    """What a build and its plan start from: the lock (None: there is none), genpack-overlay, the merged definition."""

    lock: Lock | None
    overlay: Path
    definition: Definition


def basis(settings: Settings, log: Log) -> Basis:
    """Reads them. Raises GenpackError for a lock that --locked insists on, and an architecture without profiles."""
    pinned = lock.read(settings.directory)
    if settings.locked:
        lock.require(pinned, settings.arch.name)
    overlay = overlay_source.locate(settings, log, pinned).folder
    definition = artifact.load(settings, log, overlay)
    overlays.require_arch(overlay, settings.arch.gentoo)
    return Basis(pinned, overlay, definition)


def pins(
    settings: Settings, definition: Definition, stage3: Named, snapshot: Named, overlay_hash: str, by_hand: str
) -> Pins:
    """The hashes of all inputs, of the artifact's folders as they are now."""
    found = {name: hashing.entries(settings.directory / name) for name in artifact.FOLDERS}
    commit = upper_phase.commit_id(settings.directory) if definition.include_commit_id else ""
    details: dict[str, object] = {f"{name}/": _short(entries) for name, entries in found.items()}
    details["stage3"] = stage3.name
    details["marks"] = {"stage3": stage3.mark, "snapshot": snapshot.mark}
    folders = {name: hashing.of_entries(entries) for name, entries in found.items()}
    return Pins(stage3.sha256, snapshot.sha256, overlay_hash, folders, commit, by_hand, details)


def _short(entries: dict[str, str] | None) -> dict[str, str]:
    """Entries with a hash that is enough to tell that one differs: the state stays small."""
    return {name: entry[:32] if entry.startswith("file ") else entry for name, entry in (entries or {}).items()}


def found(wanted: Sequence[str], work: WorkDir, image: Path, state: State) -> dict[str, Reason | None]:
    """What is wrong with the results that are there; None for nothing."""
    return {phase: _found(phase, work, image, state) for phase in wanted}


def _found(phase: str, work: WorkDir, image: Path, state: State) -> Reason | None:
    place = {"lower": work.lower, "upper": work.upper, "pack": image}[phase]
    if not place.exists() or getattr(state, phase) is None:
        return NOT_BUILT
    if phase == "lower" and durable.lost(state):
        return durable.LOST
    if phase == "pack" and (state.image != str(place) or state.image_identity != list(identity(place))):
        return Reason(None, f"{place.name} is not the file that was written")
    if phase == "pack" and (missing := beside.missing(place, work)):
        return Reason(None, f"{missing.name} is missing")
    return None


@dataclass(frozen=True)
class Foreseen:
    """What a build would do."""

    definition: Definition
    image: Path
    stage3: Expected
    snapshot: Expected
    decisions: dict[str, Decision]


def foresee(settings: Settings, log: Log, wanted: Sequence[str] = PHASES) -> Foreseen:
    """The plan of a build. Reads the artifact, the work folder and small files of a mirror; changes nothing there."""
    known = basis(settings, log)
    pinned, overlay, definition = known.lock, known.overlay, known.definition
    overlay_hash = overlays.content_hash(overlay)
    if pinned is not None:
        pinned.check_overlay(overlay_hash, overlay)
    work = WorkDir(settings.work_root, settings.arch.name, definition.variant)
    image = artifact.image_path(settings, definition)
    state = work.load()
    mirrors = fetch.mirrors(settings.mirrors, settings.cache, log, offline=settings.offline)
    foresight = Foresight(mirrors, settings.cache, log, pinned, offline=settings.offline)
    stage3, snapshot = foresight.expected_stage3(settings.arch), foresight.expected_snapshot()
    named = [_named(kind, expected, state) for kind, expected in (("stage3", stage3), ("snapshot", snapshot))]
    hashes = pins(settings, definition, named[0], named[1], overlay_hash, state.by_hand)
    _, decisions = plan.decided(definition, hashes, state, found(wanted, work, image, state))
    return Foreseen(definition, image, stage3, snapshot, decisions)


def _named(kind: str, expected: Expected, state: State) -> Named:
    """With the SHA-256 of the last build if what is expected is the same file."""
    sha256 = expected.sha256 or ""
    last = state.lower
    marks = last.details.get("marks") if last else None
    if not sha256 and last and isinstance(marks, dict) and expected.mark and marks.get(kind) == expected.mark:
        sha256 = last.parts.get(kind, "")
    return Named(expected.name, sha256, expected.mark)


def require(decisions: Mapping[str, Decision], phases: Sequence[str]) -> None:
    """--only: raises GenpackError if one of these phases would run; it says which, and why."""
    stale = [decision for phase in phases if (decision := decisions[phase]).runs]
    if stale:
        what = "; ".join(f"{each.phase} is stale ({each.why})" for each in stale)
        raise GenpackError(f"--only: {what}", tip=f"run 'genpack {stale[-1].phase}' first, or leave out --only")


def text(foreseen: Foreseen) -> str:
    """The plan for people: the inputs, and for each phase a line a reason."""
    lines = [_input("stage3", foreseen.stage3), _input("snapshot", foreseen.snapshot)]
    for phase, decision in foreseen.decisions.items():
        lines += [f"{phase}: {reason.text}" for reason in decision.reasons] or [f"{phase}: nothing to do"]
    lines.append(f"image: {foreseen.image}")
    return "".join(f"{os.fsencode(line).decode(errors='replace')}\n" for line in lines)


def _input(kind: str, expected: Expected) -> str:
    how = "pinned by genpack.lock" if expected.locked else "the latest"
    bytes_ = f", {size(expected.size)}" if expected.size is not None else ""
    return f"{kind}: {expected.name} ({how}{bytes_}{'' if expected.at_hand else ', to be fetched'})"


def as_json(foreseen: Foreseen) -> str:
    """The plan for programs; genpack(1) describes the fields."""
    definition = foreseen.definition
    content = {
        "version": VERSION,
        "name": definition.name,
        "arch": definition.arch,
        "variant": definition.variant,
        "image": str(foreseen.image),
        "inputs": {
            kind: {
                "path": expected.name,
                "size": expected.size,
                "sha256": expected.sha256,
                "locked": expected.locked,
                "at_hand": expected.at_hand,
            }
            for kind, expected in (("stage3", foreseen.stage3), ("snapshot", foreseen.snapshot))
        },
        "phases": [
            {
                "phase": phase,
                "runs": decision.runs,
                "seconds": decision.seconds,
                "reasons": [asdict(reason) for reason in decision.reasons],
            }
            for phase, decision in foreseen.decisions.items()
        ],
    }
    return json.dumps(content, indent=2) + "\n"
