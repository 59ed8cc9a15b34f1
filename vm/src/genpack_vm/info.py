# SPDX-License-Identifier: MIT
"""vm.json, what a running VM says of itself; and ROOT/.ended/NAME.json, how a detached one ended."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from genpack_vm import rundir
from genpack_vm.errors import NotRunningError, VmError

VERSION = 1
_LAST_MOMENT = 1.0  # seconds between QEMU's removal of its sockets and its end, on a busy machine


@dataclass(frozen=True)
class Port:
    """A forwarded port as QEMU made it."""

    protocol: str
    host: str
    port: int
    guest_port: int


@dataclass(frozen=True)
class VmInfo:
    """The fields of vm.json; man page vm(1) describes them."""

    name: str
    pid: int
    start_ticks: int
    owner_pid: int
    owner_ticks: int
    started: str
    image: str
    arch: str
    accel: str
    memory: int
    cpus: int
    mac: str
    cid: int | None
    detached: bool
    data_file: str | None
    console_log: str | None
    ports: tuple[Port, ...]
    sockets: dict[str, str]
    virtiofs: str | None = None

    @property
    def ssh(self) -> tuple[str, int] | None:
        """Address and port of the host that lead to the guest's SSH server."""
        port = next((p for p in self.ports if p.protocol == "tcp" and p.guest_port == 22), None)
        return None if port is None else (port.host or "127.0.0.1", port.port)

    def to_json(self) -> dict[str, Any]:
        """As plain data, with the format's version first."""
        return {"version": VERSION, **asdict(self), "ports": [asdict(p) for p in self.ports]}


class State(Enum):
    """What `vm list` says of a VM."""

    STARTING = "starting"
    RUNNING = "running"
    ENDING = "ending"
    BROKEN = "broken"


@dataclass(frozen=True)
class Entry:
    """A VM that holds its run directory. `problem` says why it is not running."""

    name: str
    state: State
    info: VmInfo | None = None
    problem: str | None = None


def start_ticks(pid: int) -> int | None:
    """When the process began, in clock ticks since boot (proc(5), field 22); None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def _typed(data: Mapping[str, Any], key: str, kind: type | tuple[type, ...]) -> Any:
    value = data[key]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        raise TypeError(f"{key} is {value!r}")
    return value


def parse(text: str) -> VmInfo:
    """vm.json's text as data; a ValueError that says what is wrong with it."""
    try:
        data = json.loads(text)
        if _typed(data, "version", int) != VERSION:
            raise ValueError(f"version {data['version']} is not {VERSION}")
        texts = {k: _typed(data, k, str) for k in ("name", "started", "image", "arch", "accel", "mac")}
        numbers = {
            k: _typed(data, k, int) for k in ("pid", "start_ticks", "owner_pid", "owner_ticks", "memory", "cpus")
        }
        optional = {k: _typed(data, k, (str, type(None))) for k in ("data_file", "console_log")}
        optional["virtiofs"] = None if data.get("virtiofs") is None else _typed(data, "virtiofs", str)
        ports = tuple(
            Port(
                _typed(p, "protocol", str), _typed(p, "host", str), _typed(p, "port", int), _typed(p, "guest_port", int)
            )
            for p in _typed(data, "ports", list)
        )
        sockets = {str(k): str(v) for k, v in _typed(data, "sockets", dict).items()}
        cid = _typed(data, "cid", (int, type(None)))
        detached = _typed(data, "detached", bool)
    except KeyError as e:
        raise ValueError(f"{e.args[0]} is missing") from e
    except (TypeError, AttributeError) as e:
        raise ValueError(str(e)) from e
    return VmInfo(**texts, **numbers, **optional, ports=ports, sockets=sockets, cid=cid, detached=detached)


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Replace `path` in one step."""
    rundir.write(path, json.dumps(data, indent=2) + "\n")


def _ends(vm: VmInfo) -> bool:
    """True if QEMU is gone within a moment: it removes its sockets before it ends."""
    end = time.monotonic() + _LAST_MOMENT
    while start_ticks(vm.pid) == vm.start_ticks:
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def look(top: Path, name: str) -> Entry:
    """The state of a VM that lives, as far as its files tell."""
    files = rundir.Files(top / name)
    try:
        found = parse(files.info.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Entry(name, State.STARTING)
    except (OSError, ValueError) as e:
        why = e.strerror if isinstance(e, OSError) else str(e)
        return Entry(name, State.BROKEN, problem=f"vm.json: {why}")
    if start_ticks(found.pid) != found.start_ticks:
        problem = f"QEMU (process {found.pid}) is gone, its vm (process {found.owner_pid}) is not"
        return Entry(name, State.ENDING, found, problem)
    if not files.qmp.exists():
        if _ends(found):
            return Entry(name, State.ENDING, found, f"QEMU (process {found.pid}) is just ending")
        return Entry(name, State.BROKEN, found, "qmp.sock is gone")
    return Entry(name, State.RUNNING, found)


def all_vms(top: Path) -> list[Entry]:
    """Every VM that lives, by name. Never fails for one that is broken."""
    return [look(top, name) for name in rundir.living(top)]


def find(top: Path, name: str) -> Entry:
    """The VM `name`; NotRunningError, with the names that do run, when there is none."""
    names = rundir.living(top)
    if name in names:
        return look(top, name)
    import difflib

    close = difflib.get_close_matches(name, names, 1)
    running = f"running: {', '.join(names)}" if names else "no VM is running"
    raise NotRunningError(f"no VM named {name!r} is running", tip=f"did you mean {close[0]}?" if close else running)


def find_running(top: Path, name: str) -> VmInfo:
    """The data of the VM `name` that is up; VmError when it is starting, ending or broken."""
    entry = find(top, name)
    if entry.state is State.STARTING:
        raise VmError(f"{name} is still starting")
    if entry.state is not State.RUNNING or entry.info is None:
        raise VmError(f"{name} is {entry.state.value}: {entry.problem}", tip=f"end it: vm stop -f {name}")
    return entry.info


def ended_file(top: Path, name: str) -> Path:
    """Where a detached VM's end is recorded; no VM's name begins with a dot."""
    return top / ".ended" / f"{name}.json"


def ended_console(top: Path, name: str) -> Path:
    """Where the console log of a detached VM without --console-log goes at its end."""
    return top / ".ended" / f"{name}.console"


def ended_data_file(top: Path, name: str) -> Path | None:
    """The data disk that a detached VM had in its last run."""
    try:
        found = json.loads(ended_file(top, name).read_text(encoding="utf-8"))["data_file"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Path(found) if isinstance(found, str) else None
