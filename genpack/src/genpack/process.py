# SPDX-License-Identifier: MIT
"""Runs programs: the only module that does. argv lists, stdin closed unless said otherwise, signals explained."""

from __future__ import annotations

import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from genpack.errors import ProgramError

#: Program -> (what genpack needs it for, Debian package, Gentoo package).
PROGRAMS = {
    "systemd-nspawn": ("run Portage in a container", "systemd-container", "sys-apps/systemd"),
    "mksquashfs": ("write the image", "squashfs-tools", "sys-fs/squashfs-tools"),
    "unsquashfs": ("check the image", "squashfs-tools", "sys-fs/squashfs-tools"),
    "gpg": ("verify signatures", "gnupg", "app-crypt/gnupg"),
    "tar": ("unpack stage3 and snapshot", "tar", "app-arch/tar"),
    "xz": ("unpack stage3 and snapshot", "xz-utils", "app-arch/xz-utils"),
    "setpriv": ("start programs with fewer privileges", "util-linux", "sys-apps/util-linux"),
    "mount": ("mount the layers", "mount", "sys-apps/util-linux"),
    "umount": ("unmount the layers", "mount", "sys-apps/util-linux"),
    "cp": ("copy folders", "coreutils", "sys-apps/coreutils"),
    "rm": ("remove layers", "coreutils", "sys-apps/coreutils"),
    "mkfs.fat": ("make a bootable FAT image", "dosfstools", "sys-fs/dosfstools"),
    "mlabel": ("make a bootable FAT image", "mtools", "sys-fs/mtools"),
    "mmd": ("make a bootable FAT image", "mtools", "sys-fs/mtools"),
    "mcopy": ("make a bootable FAT image", "mtools", "sys-fs/mtools"),
    "git": ("write the commit id", "git", "dev-vcs/git"),
}

STOP_SECONDS = 15.0
PR_SET_PDEATHSIG = 1  # linux/prctl.h
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Result:
    """How a program ended: exit status (negative: signal number) and what it printed, as bytes."""

    returncode: int
    stdout: bytes
    stderr: bytes


def find(program: str) -> str:
    """The program's path. Raises ProgramError with the package that has it."""
    path = shutil.which(program)
    if path is None:
        raise missing(program)
    return path


def missing(program: str) -> ProgramError:
    """The error for a program that is not there."""
    need, debian, gentoo = PROGRAMS.get(program, ("go on", "", ""))
    tip = f"install it: 'apt install {debian}' on Debian, 'emerge {gentoo}' on Gentoo" if debian else None
    return ProgramError(f"{program} is needed to {need}, and is not installed", tip=tip)


def ended(returncode: int) -> str:
    """`exited with status 3` or `was killed by SIGKILL (...)`."""
    if returncode >= 0:
        return f"exited with status {returncode}"
    name = signal.Signals(-returncode).name if -returncode in signal.valid_signals() else f"signal {-returncode}"
    why = " (out of memory?)" if -returncode == signal.SIGKILL else ""
    return f"was killed by {name}{why}"


def command_line(argv: Sequence[str | Path]) -> str:
    """The command as one can paste it into a shell."""
    return shlex.join(str(word) for word in argv)


def _ends_with_us() -> Callable[[], None]:
    """What a child does before exec: it gets SIGTERM when genpack dies, by SIGKILL too, and does not start if genpack
    is dead already. What setpriv --pdeathsig does, without the moment before setpriv runs."""
    import ctypes

    prctl, parent, number = ctypes.CDLL(None).prctl, os.getpid(), int(signal.SIGTERM)

    def child() -> None:
        prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(128 + number)

    return child


@contextmanager
def _started(
    argv: Sequence[str | Path], *, cwd: Path | None, env: Mapping[str, str] | None, **streams: int | None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is stopped on every way out but its end. A signal that comes while it starts waits until there is
    something to stop: its handler's exception would leave the program behind."""
    words = [find(str(argv[0])), *map(str, argv[1:])]
    streams.setdefault("stdin", subprocess.DEVNULL)
    full = None if env is None else {**os.environ, **env}
    came: list[int] = []
    handled = SIGNALS if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.getsignal(number) for number in handled if callable(signal.getsignal(number))}
    child: subprocess.Popen[bytes] | None = None
    try:
        for number in before:
            signal.signal(number, lambda number, _: came.append(number))
        try:
            # A session of its own: Ctrl-C reaches genpack alone, which then stops the program in order.
            child = subprocess.Popen(  # type: ignore[call-overload]  # stream names are Popen's
                words, cwd=cwd, env=full, start_new_session=True, preexec_fn=_ends_with_us(), **streams
            )
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            for one in came:
                signal.raise_signal(one)
        yield child
    except BaseException:
        if child is not None:
            stop(child)
        raise


def stop(child: subprocess.Popen[bytes]) -> None:
    """SIGTERM (a killed systemd-nspawn would leave its container behind), then SIGKILL after 15 s."""
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)  # it leads a session of its own
        child.wait()


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    check: bool = True,
) -> Result:
    """Run a short program to its end and capture its output. Raises ProgramError if it fails and `check`."""
    pipe = subprocess.PIPE
    source = subprocess.DEVNULL if stdin is None else pipe
    with _started(argv, cwd=cwd, env=env, stdin=source, stdout=pipe, stderr=pipe) as child:
        out, err = child.communicate(stdin)
    if check and child.returncode != 0:
        said = err.decode(errors="replace").strip().splitlines()
        raise ProgramError(
            f"{argv[0]} {ended(child.returncode)}" + (f": {said[-1]}" if said else ""),
            tip=f"the command was: {command_line(argv)}",
            returncode=child.returncode,
        )
    return Result(child.returncode, out, err)


def stream(
    argv: Sequence[str | Path],
    *,
    on_line: Callable[[str], None],
    on_tick: Callable[[], None] = lambda: None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> int:
    """Run a long program; each line of its output (stdout and stderr together, without line end) goes to `on_line`,
    `on_tick` is called about every second. Returns the exit status (negative: signal). Stopped if interrupted."""
    with _started(argv, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        assert child.stdout is not None
        with child.stdout:
            _lines(child, child.stdout.fileno(), on_line, on_tick)
            return child.wait()


def _lines(
    child: subprocess.Popen[bytes], pipe: int, on_line: Callable[[str], None], on_tick: Callable[[], None]
) -> None:
    """Hands out a program's output until it ends."""
    rest = b""
    while True:
        ready, _, _ = select.select([pipe], [], [], 1.0)
        on_tick()
        if not ready:
            if child.poll() is not None:  # a daemon it left behind may hold the pipe open
                break
            continue
        data = os.read(pipe, 65536)
        if not data:
            break
        # A progress bar goes back to the line's beginning; a carriage return before a newline is the line's end.
        *lines, rest = re.split(rb"\r?\n|\r(?!\n|\Z)", rest + data)
        for line in lines:
            on_line(line.decode(errors="replace"))
    if rest := rest.rstrip(b"\r"):
        on_line(rest.decode(errors="replace"))


def attach(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> int:
    """Run a program on genpack's own stdin, stdout and stderr (a shell). Ctrl-C is the program's alone.
    Returns the exit status (negative: signal)."""
    words = [find(str(argv[0])), *map(str, argv[1:])]
    before = signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN: the program would inherit that
    try:
        full = None if env is None else {**os.environ, **env}
        child = subprocess.Popen(words, env=full, preexec_fn=_ends_with_us())
        try:
            return child.wait()
        except BaseException:
            child.terminate()
            child.wait()
            raise
    finally:
        with suppress(TypeError):  # a handler that Python did not set can't be put back
            signal.signal(signal.SIGINT, before)
