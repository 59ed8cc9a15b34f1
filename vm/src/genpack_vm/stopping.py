# SPDX-License-Identifier: MIT
"""`vm stop` and `vm stopall`: ask for a power-down, or end QEMU, and wait for it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from genpack_vm import attach, info, log, qmp, rundir
from genpack_vm.errors import QmpError, UsageError, VmError, WaitTimeoutError
from genpack_vm.identity import check_name

_BETWEEN = 10.0  # seconds that a VM may take to come up, or to clean up after its QEMU
_DYING = 5.0  # seconds that a VM may take to be gone after its QEMU was told to quit or killed
_POLITE = 2.0  # seconds between SIGTERM and SIGKILL
_QUIT_TIMEOUT = 3.0  # seconds for QEMU to answer `quit`
_PAUSE = 0.05
_AGAIN = 5.0  # seconds until the power button is pressed again: a guest's firmware may lose the first time


@dataclass(frozen=True)
class StopOptions:
    """The options of `vm stop`; `timeout` in seconds. `console`: show the console until the end."""

    names: tuple[str, ...]
    force: bool
    wait: bool
    timeout: float
    console: bool = False


def _gone(top: Path, name: str, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while rundir.is_alive(top, name):
        if time.monotonic() >= end:
            return False
        time.sleep(_PAUSE)
    return True


def _signal(pid: int, ticks: int, signum: signal.Signals) -> None:
    """Signal a process if it is still the one that began at `ticks`: the number may belong to another one by now."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if info.start_ticks(pid) == ticks:
            signal.pidfd_send_signal(fd, signum)
    except ProcessLookupError:
        pass
    finally:
        os.close(fd)


def _look(top: Path, name: str) -> info.Entry | None:
    """The VM; one that is just starting or ending is given the time for it. None when it has ended meanwhile."""
    end = time.monotonic() + _BETWEEN
    entry = info.find(top, name)
    while entry.state in (info.State.STARTING, info.State.ENDING) and time.monotonic() < end:
        time.sleep(_PAUSE)
        if not rundir.is_alive(top, name):
            return None
        entry = info.look(top, name)
    return entry


def _force(top: Path, entry: info.Entry) -> None:
    """End QEMU: by QMP, else by signals to the processes that vm.json names. Returns when the VM is gone."""
    name = entry.name
    if entry.state is info.State.RUNNING:
        try:
            qmp.command(name, rundir.Files(top / name).qmp, "quit", _QUIT_TIMEOUT)
            if _gone(top, name, _DYING):
                return
        except QmpError as e:
            if _gone(top, name, 0.5):
                return
            log.warning(f"{e}; ending it by a signal")
    if entry.info is None:
        raise VmError(
            f"{name} is {entry.state.value} and says no process id: {entry.problem or 'vm.json is missing'}",
            tip=f"find what holds it: fuser -v {top / name}",
        )
    found = entry.info
    qemu, owner = (found.pid, found.start_ticks), (found.owner_pid, found.owner_ticks)
    for process, signum, patience in (
        (qemu, signal.SIGTERM, _POLITE),
        (qemu, signal.SIGKILL, _DYING),
        (owner, signal.SIGTERM, _POLITE),
        (owner, signal.SIGKILL, _DYING),
    ):
        _signal(*process, signum)
        if _gone(top, name, patience):
            return
    raise VmError(
        f"{name} is still there after SIGKILL to QEMU (process {found.pid}) and vm (process {found.owner_pid})"
    )


def _ask(top: Path, entry: info.Entry) -> None:
    """Ask the guest to power down."""
    name = entry.name
    if entry.state is not info.State.RUNNING:
        raise VmError(f"{name} is {entry.state.value}: {entry.problem or 'QEMU is not up'}", tip=f"vm stop -f {name}")
    try:
        qmp.command(name, rundir.Files(top / name).qmp, "system_powerdown")
    except QmpError:
        if _gone(top, name, 1):
            return  # another stop, or the guest itself, was faster
        raise


def _stop_one(top: Path, name: str, *, force: bool) -> bool:
    """False when it has ended meanwhile."""
    entry = _look(top, name)
    if entry is None:
        return False
    if force:
        _force(top, entry)
    else:
        _ask(top, entry)
    return True


def _wait(top: Path, name: str, left: float, options: StopOptions, connection: socket.socket | None) -> None:
    end = time.monotonic() + left
    if connection is not None:
        attach.follow(name, connection, keys=False, timeout=left)
    while not _gone(top, name, min(_AGAIN, max(0.0, end - time.monotonic()))):
        if time.monotonic() < end and not options.force:
            with contextlib.suppress(QmpError):  # it may be ending
                qmp.command(name, rundir.Files(top / name).qmp, "system_powerdown")
            continue
        raise WaitTimeoutError(f"{name} did not power down in {options.timeout:g} s", tip=f"end it: vm stop -f {name}")


def stop(options: StopOptions) -> None:
    """Stop every VM named; one that fails does not keep the others running. VmError with the worst status after all."""
    if options.timeout <= 0:
        raise UsageError(f"--wait-timeout {options.timeout:g}: it must be more than 0 seconds")
    names: Sequence[str] = tuple(dict.fromkeys(check_name(name) for name in options.names))
    if options.console and len(names) > 1:
        raise UsageError("--console shows one VM, and several are named")
    top = rundir.root_of_user()
    failed: list[VmError] = []
    asked: list[str] = []
    connection = None
    if options.console:
        info.find_running(top, names[0])
        connection = attach.connect(top, names[0])
    for name in names:
        try:
            if _stop_one(top, name, force=options.force):
                asked.append(name)
        except VmError as e:
            failed.append(e)
    end = time.monotonic() + options.timeout
    for name in asked if options.wait else ():
        try:
            _wait(top, name, max(0.0, end - time.monotonic()), options, connection)
        except WaitTimeoutError as e:
            failed.append(e)
    for error in failed[:-1]:
        log.error(str(error), error.tip)
    if failed:
        last = failed[-1]
        raise VmError(str(last), tip=last.tip, status=max(e.status for e in failed))


def stop_all(*, force: bool, wait: bool, timeout: float) -> None:
    """The same for every VM of this user; none is no error."""
    names = tuple(rundir.living(rundir.root_of_user()))
    stop(StopOptions(names, force=force, wait=wait, timeout=timeout))
