# SPDX-License-Identifier: MIT
"""The golden samples of what `vm` writes and prints as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import FORMATS
from genpack_vm import doctor, info, listing, snapshots, supervisor
from genpack_vm.errors import WaitTimeoutError

SAMPLES = FORMATS / "vm"


def sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_text())


def web() -> info.VmInfo:
    return info.parse((SAMPLES / "vm.json").read_text())


def test_vm_json(tmp_path: Path) -> None:
    info.write_json(tmp_path / "vm.json", web().to_json())
    assert (tmp_path / "vm.json").read_text() == (SAMPLES / "vm.json").read_text()


def test_list_and_show(monkeypatch: pytest.MonkeyPatch, run_root: Path) -> None:
    running = listing.Row(info.Entry("web", info.State.RUNNING, web()), "paused", None)
    problem = "vm.json: version 2 is not 1"
    broken = listing.Row(info.Entry("old", info.State.BROKEN, problem=problem), None, problem)
    assert listing.data([broken, running]) == sample("list.json")
    monkeypatch.setattr(listing.info, "find", lambda top, name: running.entry)
    monkeypatch.setattr(listing, "ask", lambda top, entries: [running])
    assert listing.show("web") == (SAMPLES / "show.json").read_text()


def test_ended(tmp_path: Path) -> None:
    error = WaitTimeoutError("web was ended after 60 s")
    wanted = sample("ended.json")
    supervisor.record_end(tmp_path, "web", wanted["started"], error, None, "/disks/web.img")
    found = json.loads(info.ended_file(tmp_path, "web").read_text())
    assert found["ended"] > found["started"]
    assert found | {"ended": wanted["ended"]} == wanted
    assert list(found) == list(wanted)


def test_snapshot(tmp_path: Path) -> None:
    wanted = sample("snapshot.json")
    disk = snapshots.Raw(Path(wanted["disk"]))
    disk.states = lambda: [snapshots.State(**state) for state in wanted["states"]]  # type: ignore[method-assign]
    assert snapshots._listed(disk, as_json=True) == (SAMPLES / "snapshot.json").read_text()


def test_doctor() -> None:
    findings = [doctor.Finding(**finding) for finding in sample("doctor.json")["findings"]]
    assert doctor.text(findings, as_json=True) == (SAMPLES / "doctor.json").read_text()
