# SPDX-License-Identifier: MIT
"""`vm list` and `vm show`: what is known of the running VMs, as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from genpack_vm import info, rundir
from genpack_vm.identity import check_name

_HEADER = ("NAME", "STATE", "PID", "ARCH", "ACCEL", "SSH", "UP", "IMAGE")
_PATIENCE = 0.25  # seconds that a QEMU may take to answer


@dataclass(frozen=True)
class Row:
    """A VM, QEMU's own word for its state (None: it did not say), and what is wrong with it."""

    entry: info.Entry
    status: str | None
    problem: str | None

    @property
    def state(self) -> str:
        """QEMU's word if it is up but the guest does not run (paused, shutdown ...), else ours."""
        running = self.entry.state is info.State.RUNNING and self.status is not None
        return str(self.status) if running else self.entry.state.value


def ask(top: Path, entries: Sequence[info.Entry]) -> list[Row]:
    """Ask every QEMU that should answer, at the same time; one that hangs costs a moment and is told."""
    up = {e.name: rundir.Files(top / e.name).qmp for e in entries if e.state is info.State.RUNNING}
    if not up:
        return [Row(entry, None, entry.problem) for entry in entries]
    from genpack_vm import qmp

    answers = qmp.statuses(up, _PATIENCE)
    rows = []
    for entry in entries:
        answer = answers.get(entry.name)
        if isinstance(answer, str) or answer is None:
            rows.append(Row(entry, answer, entry.problem))
            continue
        now = info.look(top, entry.name) if rundir.is_alive(top, entry.name) else None
        if now is not None:  # else it has ended meanwhile
            rows.append(Row(now, None, now.problem or str(answer)))
    return rows


def _up(started: str) -> str:
    try:
        seconds = int((datetime.now(UTC) - datetime.fromisoformat(started)).total_seconds())
    except (TypeError, ValueError):
        return "?"
    hours, rest = divmod(max(0, seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


def _cells(row: Row) -> tuple[str, ...]:
    entry, vm = row.entry, row.entry.info
    if vm is None:
        return (entry.name, row.state, "-", "-", "-", "-", "-", row.problem or "-")
    ssh = f"{vm.ssh[0]}:{vm.ssh[1]}" if vm.ssh else "-"
    last = vm.image if row.problem is None else f"{vm.image} ({row.problem})"
    return (entry.name, row.state, str(vm.pid), vm.arch, vm.accel, ssh, _up(vm.started), last)


def table(rows: Sequence[Row]) -> str:
    """A table with a header; columns as wide as they must be."""
    cells = [_HEADER, *(_cells(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(_HEADER) - 1)]
    lines = ["  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[-1]]) for row in cells]
    return "".join(f"{line}\n" for line in lines)


def _data(row: Row) -> dict[str, Any]:
    found = {"name": row.entry.name, "state": row.entry.state.value, "status": row.status, "problem": row.problem}
    if row.entry.info is not None:
        found |= {k: v for k, v in row.entry.info.to_json().items() if k not in ("version", "name")}
    return found


def data(rows: Sequence[Row]) -> dict[str, Any]:
    """The JSON document: {"version": 1, "vms": [...]}, each VM with name, state, status, problem, vm.json's fields."""
    return {"version": info.VERSION, "vms": [_data(row) for row in rows]}


def text(*, quiet: bool, as_json: bool) -> str:
    """What `vm list` prints."""
    top = rundir.root_of_user()
    if quiet:
        names = rundir.living(top)
        return json.dumps(names, indent=2) + "\n" if as_json else "".join(f"{name}\n" for name in names)
    rows = ask(top, info.all_vms(top))
    return json.dumps(data(rows), indent=2) + "\n" if as_json else table(rows)


def show(name: str | None) -> str:
    """What `vm show` prints: one VM as a JSON document, or all of them as `vm list --format json`."""
    if name is None:
        return text(quiet=False, as_json=True)
    top = rundir.root_of_user()
    rows = ask(top, [info.find(top, check_name(name))])
    if not rows:
        info.find(top, name)  # it has ended meanwhile: says so
    return json.dumps({"version": info.VERSION, **_data(rows[0])}, indent=2) + "\n"


def cid(name: str) -> int:
    """The vsock context id of a running VM, or the one that a VM of this name will get if it is free."""
    import os

    from genpack_vm import identity
    from genpack_vm.errors import VmError

    top = rundir.root_of_user()
    if not rundir.is_alive(top, check_name(name)):
        return identity.cid(os.getuid(), name)
    found = info.find_running(top, name)
    if found.cid is None:
        raise VmError(f"{name} has no vsock device", tip="/dev/vhost-vsock was not usable when it was started")
    return found.cid
