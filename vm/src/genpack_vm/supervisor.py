# SPDX-License-Identifier: MIT
"""A detached VM: a process of its own owns QEMU and the lock, and records how it ended."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from genpack_vm import info, process
from genpack_vm.errors import VmError
from genpack_vm.rundir import Claim

Up = Callable[[info.VmInfo], None]


def _open_log(claim: Claim) -> int:
    """The file for what the VM's process says; the claim is given up if there can be none."""
    path = claim.files.owner_log
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as e:
        claim.release()
        raise VmError(f"cannot write {path}: {e.strerror}") from e


def _leave_the_terminal(output: int) -> None:
    """A session of its own, no terminal, stdout and stderr to `output`; the caller's pipes are closed."""
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for target, source in ((0, null), (1, output), (2, output)):
        os.dup2(source, target)
    os.close(null)
    os.close(output)


def record_end(
    top: Path, name: str, started: str, error: VmError | None, console: Path | None, data_file: str | None
) -> None:
    """Write ROOT/.ended/NAME.json; `console` (the log in the run directory) is kept beside it."""
    target = info.ended_file(top, name)
    target.parent.mkdir(mode=0o700, exist_ok=True)
    if console is not None and console.exists():
        console.replace(info.ended_console(top, name))
    info.write_json(
        target,
        {
            "version": info.VERSION,
            "name": name,
            "started": started,
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            "status": 0 if error is None else error.status,
            "message": None if error is None else str(error),
            "data_file": data_file,
        },
    )


def _serve(claim: Claim, work: Callable[[Up], None], pipe: int) -> None:
    """The child: run the VM, tell the parent once whether it came up, record the end."""
    top, name = claim.files.folder.parent, claim.files.folder.name
    started = datetime.now(UTC).isoformat(timespec="seconds")
    told = False
    up: info.VmInfo | None = None

    def came(found: info.VmInfo) -> None:
        nonlocal up
        up = found
        tell({"up": found.to_json()})

    def tell(message: dict[str, object]) -> None:
        nonlocal told
        if not told:
            told = True
            with suppress(OSError):  # the parent may be gone; the VM runs on
                os.write(pipe, json.dumps(message).encode())
            os.close(pipe)

    error: VmError | None = None
    try:
        work(came)
    except VmError as e:
        error = e
    except BaseException as e:
        traceback.print_exc()
        error = VmError(f"a bug in vm: {type(e).__name__}: {e}")
    try:
        if up is not None:
            record_end(top, name, started, error, claim.files.console_log, up.data_file)
    finally:
        claim.release()
        if error is not None:
            tell({"error": str(error), "tip": error.tip, "status": error.status})
        else:
            tell({"error": f"{name} ended before it was up", "tip": None, "status": 1})


def launch(claim: Claim, work: Callable[[Up], None], *, tied: bool = False) -> info.VmInfo:
    """Run `work` in a process of its own; return once the VM is up, raise what kept it from that.

    `tied`: the process, and with it the VM, is killed when this one ends.

    The claim belongs to the child from here on. fork, not a new program: the memory files, the lock and the plan are
    simply there.
    """
    top, name = claim.files.folder.parent, claim.files.folder.name
    for old in (info.ended_file(top, name), info.ended_console(top, name)):
        old.unlink(missing_ok=True)
    output = _open_log(claim)
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if tied:
                process.tie_to(parent)
            os.close(reading)
            _leave_the_terminal(output)
            _serve(claim, work, writing)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    os.close(output)
    claim.hand_over()
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    if not text:
        raise VmError(f"the process that should run {name} ended without a word")
    message = json.loads(text)
    if "error" in message:
        raise VmError(message["error"], tip=message["tip"], status=message["status"])
    return info.parse(json.dumps(message["up"]))
