# SPDX-License-Identifier: MIT
"""SSH into a VM, over vsock where the guest answers there, else through its forwarded port.

Host keys are kept in the VM's run directory: each VM is its own host, and a new run of it is a new one.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence
from pathlib import Path

from genpack_vm import info, process, rundir, vsock
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


def _way(vm: info.VmInfo) -> tuple[str, list[str]]:
    """The address for ssh, and the options that lead there."""
    if vm.cid is not None and (vm.ssh is None or vsock.ssh_answers(vm.cid)):
        return vm.name, [f"ProxyCommand={vsock.proxy_command(vm.cid)}", "ProxyUseFdpass=yes"]
    if vm.ssh is None:
        raise VmError(
            f"{vm.name} has no forwarded SSH port", tip="it was started with --no-ssh-forward; vm exec needs no network"
        )
    host, port = vm.ssh
    return host, [f"Port={port}"]


def argv(
    program: str, vm: info.VmInfo, files: rundir.Files, identity: Path | None, *, batch: bool
) -> tuple[list[str], str]:
    """(the command line of ssh or scp up to its own words, the address). `batch`: never ask (there is no terminal)."""
    address, options = _way(vm)
    options += [
        f'UserKnownHostsFile="{files.known_hosts}"',
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=accept-new",
        "HashKnownHosts=no",  # the file is of one VM: there is no name to hide
        f"HostKeyAlias={vm.name}",
        f"ConnectTimeout={_CONNECT_TIMEOUT}",
        "LogLevel=ERROR",
    ]
    if batch:
        options.append("BatchMode=yes")
    args = [program]
    if identity is not None:
        args += ["-i", os.fspath(identity)]
        options.append("IdentitiesOnly=yes")
    else:
        for key in home_keys(Path.home(), Path(pwd.getpwuid(os.getuid()).pw_dir)):
            args += ["-i", os.fspath(key)]
    for option in options:
        args += ["-o", option]
    return args, address


def _check(identity: Path | None, timeout: float | None) -> None:
    if identity is not None and not os.access(identity, os.R_OK):
        raise VmError(f"cannot read the key {identity}")
    if timeout is not None and timeout <= 0:
        raise UsageError(f"--timeout {timeout:g}: it must be more than 0 seconds")


def run(target: str, command: Sequence[str], *, identity: Path | None, timeout: float | None) -> int:
    """Run `command` (a login shell if empty) in the VM on this terminal; its exit status, or VmError for our own."""
    user, name = split_target(target)
    _check(identity, timeout)
    top = rundir.root_of_user()
    vm = info.find_running(top, name)
    words, address = argv("ssh", vm, rundir.Files(top / name), identity, batch=not os.isatty(0))
    status = process.attached([*words, "-l", user, "--", address, *command], purpose="reach a VM", timeout=timeout)
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


def _remote(text: str) -> tuple[str, str, str] | None:
    """[USER@]NAME:PATH as (user, name, path); None for a local file. As with scp, `./a:b` is local."""
    place, colon, path = text.partition(":")
    if not colon or "/" in place:
        return None
    return *split_target(place), path


def copy(words: Sequence[str], *, identity: Path | None, recursive: bool, timeout: float | None) -> None:
    """`vm scp`: copy files to, or from, one VM."""
    _check(identity, timeout)
    if len(words) < 2:
        raise UsageError("scp needs at least two places", tip="vm scp FILE NAME:PATH, or vm scp NAME:PATH FILE")
    places = [(word, _remote(word)) for word in words]
    names = {found[1] for _, found in places if found is not None}
    if not names:
        raise UsageError("none of the places is in a VM", tip="write NAME:PATH for a file in the VM NAME")
    if len(names) > 1 or all(found is not None for _, found in places):
        raise UsageError("scp copies between this machine and one VM", tip="copy to a file here, then from there")
    (name,) = names
    top = rundir.root_of_user()
    vm = info.find_running(top, name)
    args, address = argv("scp", vm, rundir.Files(top / name), identity, batch=not os.isatty(0))
    args += ["-r"] if recursive else []
    args.append("--")
    for word, found in places:
        args.append(word if found is None else f"{found[0]}@{address}:{found[2]}")
    status = process.attached(args, purpose="copy files to and from a VM", timeout=timeout)
    if status is None:
        raise VmError(f"scp with {name} did not end in {timeout:g} s", status=TIMED_OUT)
    if status != 0:
        how = process.explain(status)
        raise VmError(f"scp with {name} {how}", tip=f"`vm wait {name}` waits for the SSH server")
