# SPDX-License-Identifier: MIT
"""`vm wait`: block until a VM has come so far."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from genpack_vm import info, log, net, rundir, vsock
from genpack_vm.agent import Agent, AgentError
from genpack_vm.errors import NotRunningError, UsageError, VmError, WaitTimeoutError
from genpack_vm.identity import check_name

_PAUSE = 0.25  # seconds between two looks
_TRY = 5.0  # seconds that one attempt may take
_AGENT_SESSION = 10.0  # seconds


class Goal(Enum):
    """What to wait for."""

    SSH = "ssh"
    AGENT = "agent"
    SYSTEMD = "systemd"
    SHUTDOWN = "shutdown"


def _ssh(vm: info.VmInfo, files: rundir.Files, left: float) -> bool:
    if vm.cid is not None and vsock.ssh_answers(vm.cid, min(_TRY, left)):
        return True
    if vm.ssh is None:
        if vm.cid is not None:
            return False
        raise VmError(f"{vm.name} has no forwarded SSH port", tip="it was started with --no-ssh-forward")
    return net.ssh_answers(*vm.ssh, timeout=min(_TRY, left))


def agent_answers(files: rundir.Files, left: float) -> bool:
    """True when the guest agent does."""
    try:
        with Agent(files, min(_TRY, left)) as agent:
            agent.execute("guest-ping")
    except AgentError:
        return False
    return True


def systemd_state(name: str, files: rundir.Files, left: float) -> str | None:
    """What `systemctl is-system-running` says in the guest; None while the agent is silent."""
    try:
        with Agent(files, min(_AGENT_SESSION, left)) as agent:
            return agent.run("systemctl", ["is-system-running"]).stdout.decode(errors="replace").strip()
    except AgentError as e:
        if "refused" in str(e):
            raise VmError(f"{name} cannot be asked for systemd's state: {e}") from e
        return None


def _systemd(vm: info.VmInfo, files: rundir.Files, left: float) -> bool:
    state = systemd_state(vm.name, files, left)
    if state == "degraded":
        log.warning(f"{vm.name}: systemd is up, but a unit failed (systemctl --failed)")
    return state in ("running", "degraded")


_CHECKS: dict[Goal, Callable[[info.VmInfo, rundir.Files, float], bool]] = {
    Goal.SSH: _ssh,
    Goal.AGENT: lambda vm, files, left: agent_answers(files, left),
    Goal.SYSTEMD: _systemd,
}


def _ended(top: Path, name: str) -> None:
    """A detached VM that ended badly says so here; VmError then."""
    try:
        record = json.loads(info.ended_file(top, name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    if record.get("status"):
        console = info.ended_console(top, name)
        tip = f"its console log: {console}" if console.exists() else None
        raise VmError(f"{name} ended badly: {record.get('message')}", tip=tip)


def _shutdown(top: Path, name: str, timeout: float) -> None:
    end = time.monotonic() + timeout
    while rundir.is_alive(top, name):
        if time.monotonic() >= end:
            raise WaitTimeoutError(f"{name} did not shut down in {timeout:g} s")
        time.sleep(min(_PAUSE, max(0.0, end - time.monotonic())))
    _ended(top, name)


def wait(name: str, goal: Goal, timeout: float) -> None:
    """Return when it is so. WaitTimeoutError after `timeout` seconds, VmError when the VM ends before."""
    check_name(name)
    if timeout <= 0:
        raise UsageError(f"--timeout {timeout:g}: it must be more than 0 seconds")
    top = rundir.root_of_user()
    end = time.monotonic() + timeout
    if goal is Goal.SHUTDOWN:
        if not rundir.is_alive(top, name):
            if info.ended_file(top, name).exists():
                _ended(top, name)
                return
            info.find(top, name)  # says that there is none
        _shutdown(top, name, timeout)
        return
    entry = info.find(top, name)
    files, check = rundir.Files(top / name), _CHECKS[goal]
    while True:
        left = end - time.monotonic()
        if entry.state is info.State.BROKEN:
            raise VmError(f"{name} is broken: {entry.problem}", tip=f"end it: vm stop -f {name}")
        if entry.state is info.State.RUNNING and entry.info is not None and left > 0 and check(entry.info, files, left):
            return
        if time.monotonic() >= end:
            raise WaitTimeoutError(f"{name} did not reach {goal.value} in {timeout:g} s")
        time.sleep(min(_PAUSE, max(0.0, end - time.monotonic())))
        try:
            entry = info.find(top, name)
        except NotRunningError as e:
            raise VmError(f"{name} ended before it reached {goal.value}") from e
