# SPDX-License-Identifier: MIT
"""The end of a build: what was made, how long each phase took, what was skipped and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from genpack.log import Log, size
from genpack.plan import Decision
from genpack.progress import duration
from genpack.workdir import PhaseState, State


def tell(log: Log, decisions: Mapping[str, Decision], state: State, image: Path | None, packages: int | None) -> None:
    """Lines for people, the result for programs. `image`: None if it was not asked for."""
    lines, phases = [], []
    for phase, decision in decisions.items():
        saved: PhaseState = getattr(state, phase)
        seconds = saved.seconds if decision.runs else None
        if decision.runs:
            lines.append(f"{phase}: {duration(saved.seconds)} ({decision.why})")
        else:
            lines.append(f"{phase}: skipped, nothing it depends on changed")
        reasons = [asdict(reason) for reason in decision.reasons]
        phases.append({"phase": phase, "ran": decision.runs, "seconds": seconds, "reasons": reasons})
    bytes_ = None
    if image is not None:
        bytes_ = image.stat().st_size
        lines.append(f"{image}: {size(bytes_)}, {packages} packages")
    log.summary(lines, image=str(image) if image else None, size=bytes_, packages=packages, phases=phases)
