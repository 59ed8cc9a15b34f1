# SPDX-License-Identifier: MIT
"""A plan: described steps, shown to the user first and executed afterwards."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from genpack_install.errors import UsageError
from genpack_install.image import Image
from genpack_install.log import Log
from genpack_install.log import size as human
from genpack_install.model import Talk


@dataclass(frozen=True)
class Step:
    """One thing to do. `size`: bytes that it writes or makes room for, 0 if that says nothing."""

    text: str
    run: Callable[[], None]
    size: int = 0


@dataclass(frozen=True)
class Part:
    """A partition, or the file system over a whole disk (`number` 0); bytes."""

    number: int
    kind: str
    label: str
    start: int
    size: int


@dataclass(frozen=True)
class Plan:
    """What will be done. `destroys`: what is lost; None: nothing. `spoilt`: what to say if it is broken off."""

    mode: str
    target: Path
    image: Image
    steps: tuple[Step, ...]
    parts: tuple[Part, ...] = ()
    files: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    destroys: str | None = None
    spoilt: str | None = None


def show(plan: Plan, log: Log) -> None:
    """The plan for people."""
    log.line(f"Image    {plan.image.title}, {human(plan.image.size)}, {plan.image.compressor}: {plan.image.path}")
    log.line(f"Target   {plan.target}")
    for part in plan.parts:
        what = f"partition {part.number}" if part.number else "whole disk"
        log.line(f"         {what}: {part.kind}, label {part.label}, {human(part.size)} from byte {part.start} on")
    for name, size in plan.files:
        log.line(f"File     {name}, {human(size)}")
    for number, step in enumerate(plan.steps, 1):
        log.line(f"{number:>2}. {step.text}{f' ({human(step.size)})' if step.size else ''}")
    for note in plan.notes:
        log.warning(note)
    if plan.destroys:
        log.warning(plan.destroys)


def as_json(plan: Plan) -> str:
    """The plan for programs: one line."""
    image = plan.image
    return json.dumps(
        {
            "mode": plan.mode,
            "target": str(plan.target),
            "image": {
                "path": str(image.path),
                "size": image.size,
                "compressor": image.compressor,
                "artifact": image.artifact,
                "variant": image.variant,
                "arch": image.arch,
                "raspberry_pi": image.raspberry_pi,
            },
            "partitions": [
                {"number": p.number, "filesystem": p.kind, "label": p.label, "start": p.start, "size": p.size}
                for p in plan.parts
            ],
            "files": [{"name": name, "size": size} for name, size in plan.files],
            "steps": [{"text": step.text, "size": step.size} for step in plan.steps],
            "notes": [*plan.notes, *([plan.destroys] if plan.destroys else [])],
        }
    )


def _confirm(plan: Plan, log: Log) -> None:
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked whether to go on: standard input is no terminal", tip="give -y")
    log.line(f"Write {plan.target}? Type yes to go on:")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("not confirmed; nothing was written")


def execute(plan: Plan, talk: Talk, log: Log) -> None:
    """Shows the plan, asks, does it. Broken off, it says what state the target is in."""
    if talk.json:
        print(as_json(plan), flush=True)
    else:
        show(plan, log)
    if talk.dry_run:
        return
    if not talk.yes:
        _confirm(plan, log)
    begun = False
    try:
        for number, step in enumerate(plan.steps, 1):
            log.line(f"[{number}/{len(plan.steps)}] {step.text}")
            begun = True
            step.run()
    except BaseException:
        if begun and plan.spoilt:
            log.warning(plan.spoilt)
        raise
    if talk.json:
        print(json.dumps({"done": True, "target": str(plan.target)}), flush=True)
