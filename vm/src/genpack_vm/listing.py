# SPDX-License-Identifier: MIT
"""`vm list`: what is known of the running VMs, as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from genpack_vm import info, rundir

_HEADER = ("NAME", "STATE", "PID", "ARCH", "ACCEL", "SSH", "UP", "IMAGE")


def _up(started: str) -> str:
    try:
        seconds = int((datetime.now(UTC) - datetime.fromisoformat(started)).total_seconds())
    except (TypeError, ValueError):
        return "?"
    hours, rest = divmod(max(0, seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


def _row(entry: info.Entry) -> tuple[str, ...]:
    vm = entry.info
    if vm is None:
        return (entry.name, entry.state.value, "-", "-", "-", "-", "-", entry.problem or "-")
    ssh = f"{vm.ssh[0]}:{vm.ssh[1]}" if vm.ssh else "-"
    last = vm.image if entry.problem is None else f"{vm.image} ({entry.problem})"
    return (entry.name, entry.state.value, str(vm.pid), vm.arch, vm.accel, ssh, _up(vm.started), last)


def table(entries: Sequence[info.Entry]) -> str:
    """A table with a header; columns as wide as they must be."""
    rows = [_HEADER, *(_row(entry) for entry in entries)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER) - 1)]
    lines = ["  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[-1]]) for row in rows]
    return "".join(f"{line}\n" for line in lines)


def data(entries: Sequence[info.Entry]) -> dict[str, Any]:
    """The JSON document: {"version": 1, "vms": [...]}, each VM with name, state, problem and vm.json's fields."""
    vms = []
    for entry in entries:
        vm: dict[str, Any] = {"name": entry.name, "state": entry.state.value, "problem": entry.problem}
        if entry.info is not None:
            vm |= {k: v for k, v in entry.info.to_json().items() if k not in ("version", "name")}
        vms.append(vm)
    return {"version": info.VERSION, "vms": vms}


def text(*, quiet: bool, as_json: bool) -> str:
    """What `vm list` prints."""
    entries = info.all_vms(rundir.root_of_user())
    if as_json:
        shown: Any = [entry.name for entry in entries] if quiet else data(entries)
        return json.dumps(shown, indent=2) + "\n"
    if quiet:
        return "".join(f"{entry.name}\n" for entry in entries)
    return table(entries)
