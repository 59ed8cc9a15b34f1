# SPDX-License-Identifier: MIT
"""SSH into a VM through its forwarded port. Host keys are kept in the VM's run directory: each VM is its own host."""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence
from pathlib import Path

from genpack_vm import info, process, rundir
from genpack_vm.errors import UsageError, VmError
from genpack_vm.host import KEY_FILES
from genpack_vm.identity import check_name

OWN_FAILURE = 125
TIMED_OUT = 124
_SSH_FAILED = 255  # ssh(1): an error occurred
_CONNECT_TIMEOUT = 30  # seconds; sshd under TCG is slow


def split_target(text: str) -> tuple[str, str]:
    """[user@]NAME as (user, name)."""
    user, at, name = text.rpartition("@")
    if at and not user:
        raise UsageError(f"{text!r}: no user before @")
    return user or "root", check_name(name)


def home_keys(home: Path, login_home: Path) -> list[Path]:
    """Private keys that ssh would not find: it looks in the password database's home, we gave the guest $HOME's."""
    if home == login_home:
        return []
    keys = [home / ".ssh" / name.removesuffix(".pub") for name in KEY_FILES]
    return [key for key in keys if os.access(key, os.R_OK)]


def argv(
    vm: info.VmInfo, files: rundir.Files, user: str, command: Sequence[str], identity: Path | None, *, batch: bool
) -> list[str]:
    """The ssh command line. `batch`: never ask (there is no terminal)."""
    if vm.ssh is None:
        raise VmError(f"{vm.name} has no forwarded SSH port", tip="it was started with --no-ssh-forward")
    host, port = vm.ssh
    options = {
        "UserKnownHostsFile": f'"{files.known_hosts}"',
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "accept-new",
        "HostKeyAlias": vm.name,
        "ConnectTimeout": str(_CONNECT_TIMEOUT),
        "LogLevel": "ERROR",
    }
    if batch:
        options["BatchMode"] = "yes"
    args = ["ssh", "-p", str(port), "-l", user]
    if identity is not None:
        args += ["-i", os.fspath(identity), "-o", "IdentitiesOnly=yes"]
    else:
        for key in home_keys(Path.home(), Path(pwd.getpwuid(os.getuid()).pw_dir)):
            args += ["-i", os.fspath(key)]
    for option, value in options.items():
        args += ["-o", f"{option}={value}"]
    return [*args, "--", host, *command]


def run(target: str, command: Sequence[str], *, identity: Path | None, timeout: float | None) -> int:
    """Run `command` (a login shell if empty) in the VM on this terminal; its exit status, or VmError for our own."""
    user, name = split_target(target)
    if identity is not None and not os.access(identity, os.R_OK):
        raise VmError(f"cannot read the key {identity}")
    if timeout is not None and timeout <= 0:
        raise UsageError(f"--timeout {timeout:g}: it must be more than 0 seconds")
    top = rundir.root_of_user()
    vm = info.find_running(top, name)
    batch = not os.isatty(0)
    args = argv(vm, rundir.Files(top / name), user, command, identity, batch=batch)
    status = process.attached(args, purpose="reach a VM", timeout=timeout)
    if status is None:
        raise VmError(f"ssh to {name} did not end in {timeout:g} s", status=TIMED_OUT)
    if status == _SSH_FAILED:
        raise VmError(
            f"ssh to {name} failed",
            tip=f"`vm wait {name}` waits for the server; the guest accepts the keys of ~/.ssh and of your SSH agent",
        )
    if status < 0:
        raise VmError(f"ssh {process.explain(status)}")
    return status
