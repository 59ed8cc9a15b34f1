# SPDX-License-Identifier: MIT
"""The only module that starts programs: argv lists, closed stdin unless stated, missing programs explained."""

from __future__ import annotations

import ctypes
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from genpack_vm.errors import VmError

#: program -> (Debian package, Gentoo package)
PACKAGES = {
    "qemu-system-x86_64": ("qemu-system-x86", "app-emulation/qemu"),
    "qemu-system-i386": ("qemu-system-x86", "app-emulation/qemu"),
    "qemu-system-aarch64": ("qemu-system-arm", "app-emulation/qemu"),
    "qemu-system-riscv64": ("qemu-system-misc", "app-emulation/qemu"),
    "qemu-img": ("qemu-utils", "app-emulation/qemu"),
    "mkfs.btrfs": ("btrfs-progs", "sys-fs/btrfs-progs"),
    "scp": ("openssh-client", "net-misc/openssh"),
    "virtiofsd": ("qemu-system-common, virtiofsd", "app-emulation/virtiofsd"),
    "ip": ("iproute2", "sys-apps/iproute2"),
    "fusermount3": ("fuse3", "sys-fs/fuse"),
    "ssh": ("openssh-client", "net-misc/openssh"),
    "ssh-add": ("openssh-client", "net-misc/openssh"),
}

PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class Result:
    """What a program that ended left behind."""

    status: int
    stdout: str
    stderr: str


def missing(program: str, purpose: str) -> VmError:
    """The error for a program that is not installed. `purpose` completes "is required to ..."."""
    debian, gentoo = PACKAGES.get(program, (program, program))
    return VmError(
        f"{program} is required to {purpose}, and was not found in PATH",
        tip=f"install it: apt-get install {debian} (Debian), emerge {gentoo} (Gentoo)",
    )


def explain(status: int) -> str:
    """A program's exit status as text; negative ones are signals, as subprocess reports them."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    why = " (out of memory?)" if name == "SIGKILL" else ""
    return f"was killed by {name}{why}"


def show(argv: Sequence[str]) -> str:
    """The command line, quoted for a shell."""
    return shlex.join(argv)


def capture(argv: Sequence[str], *, purpose: str, timeout: float) -> Result:
    """Run to the end with stdin closed; the caller judges the status. A time-out or a missing program is a VmError."""
    try:
        done = subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as e:
        raise missing(argv[0], purpose) from e
    except subprocess.TimeoutExpired as e:
        raise VmError(f"{argv[0]} did not end in {timeout:g} s ({purpose})") from e
    except OSError as e:
        raise VmError(f"cannot run {argv[0]}: {e.strerror}") from e
    return Result(done.returncode, done.stdout, done.stderr)


def end(child: subprocess.Popen[bytes], patience: float) -> None:
    """The child has ended after this: by SIGTERM, after `patience` seconds by SIGKILL."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            child.kill()
    child.wait()


def attached(argv: Sequence[str], *, purpose: str, timeout: float | None) -> int | None:
    """Run on this process's own stdin, stdout and stderr; the exit status, or None when `timeout` seconds passed."""
    try:
        child = subprocess.Popen(list(argv))
    except FileNotFoundError as e:
        raise missing(argv[0], purpose) from e
    except OSError as e:
        raise VmError(f"cannot run {argv[0]}: {e.strerror}") from e
    try:
        return child.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        end(child, 5)


def end_with_parent(parent: int, signum: signal.Signals) -> None:
    """For a forked child: get `signum` when the process `parent`, which forked it, ends."""
    if ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signum), 0, 0, 0) != 0 or os.getppid() != parent:
        os._exit(127)


def _die_with_parent(parent: int) -> Callable[[], None]:
    """What a child does between fork and exec: ask the kernel to be killed when its parent ends.

    libc is loaded before the fork: only the two system calls run in the child. The parent may have ended before
    prctl took effect; then the child has another parent already, and no signal would ever come.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        if prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0 or os.getppid() != parent:
            os._exit(127)

    return ask


def tie_to(parent: int) -> None:
    """This process, a child of `parent`, is killed when that ends."""
    _die_with_parent(parent)()


def owned(argv: Sequence[str], *, purpose: str, log: Path, pass_fds: Sequence[int]) -> subprocess.Popen[bytes]:
    """Start a program that dies with this process, whatever ends it. stdout and stderr go to `log`.

    It gets a session of its own, so that a Ctrl-C at the terminal reaches this process only. Call it from the main
    thread: the kernel ties the death signal to the thread that forked.
    """
    try:
        output = log.open("wb")
    except OSError as e:
        raise VmError(f"cannot write {log}: {e.strerror}") from e
    with output:
        try:
            return subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=tuple(pass_fds),
                start_new_session=True,
                preexec_fn=_die_with_parent(os.getpid()),
            )
        except FileNotFoundError as e:
            raise missing(argv[0], purpose) from e
        except OSError as e:
            raise VmError(f"cannot run {argv[0]}: {e.strerror}") from e
