# SPDX-License-Identifier: MIT
"""`vm mount` and `vm umount`: a process that serves the mount, and one that watches it and cleans up after it.

The server reads the image with libsquashfuse, which a damaged image may crash. Then the watcher takes the mount away,
so that no folder stays behind in which every access fails.
"""

from __future__ import annotations

import ctypes
import errno
import importlib.util
import json
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from genpack_vm import log, process, source
from genpack_vm.errors import ImageError, InterruptError, UsageError, VmError

PATIENCE = 60  # seconds for one call of the library
_FS_TYPE = "fuse.vm"  # of mount_server
_MNT_DETACH = 2  # linux/fs.h
_UNMOUNT_TIMEOUT = 30.0  # seconds
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _unescaped(field: str) -> str:
    """A field of /proc/self/mountinfo: space, tab, newline and backslash are octal there."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def mounted(folder: Path) -> str | None:
    """The type of the file system that is mounted on `folder`, the uppermost one; None when it is no mount point."""
    found = None
    with Path("/proc/self/mountinfo").open(encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            left, _, right = line.partition(" - ")
            if _unescaped(left.split()[4]) == str(folder):
                found = right.split()[0]
    return found


def _unmount(folder: Path, *, lazy: bool) -> None:
    """OSError or VmError if it does not work."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.umount2(os.fsencode(folder), _MNT_DETACH if lazy else 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return
    argv = ["fusermount3", "-u", *(["-z"] if lazy else []), "--", str(folder)]
    done = process.capture(argv, purpose="unmount", timeout=_UNMOUNT_TIMEOUT)
    if done.status != 0:
        busy = "busy" in done.stderr
        raise OSError(errno.EBUSY if busy else errno.EPERM, "Device or resource busy" if busy else done.stderr.strip())


def umount(folder: Path) -> None:
    """Take a mount of `vm mount` away."""
    real = Path(os.path.realpath(folder))
    kind = mounted(real)
    if kind != _FS_TYPE:
        what = "nothing is mounted there" if kind is None else f"a {kind} is mounted there, not by vm"
        raise UsageError(f"{folder}: {what}")
    try:
        _unmount(real, lazy=False)
    except OSError as e:
        tip = f"who uses it: fuser -vm {folder}" if e.errno == errno.EBUSY else None
        raise VmError(f"cannot unmount {folder}: {e.strerror}", tip=tip) from e


def _check_folder(folder: Path) -> Path:
    """The real path of a folder to mount on."""
    try:
        next(folder.iterdir(), None)
    except OSError as e:
        raise UsageError(f"cannot mount on {folder}: {e.strerror}", tip="make the folder first") from e
    real = Path(os.path.realpath(folder))
    if mounted(real) is not None:
        raise UsageError(f"something is mounted on {folder} already", tip=f"vm umount {folder}")
    return real


def _server(found: source.Source, folder: Path, parent: int, pipe: int) -> None:
    """The process that serves: says `{}` or an error through the pipe, then stays."""
    for signum in _SIGNALS:
        signal.signal(signum, signal.SIG_DFL)
    process.end_with_parent(parent, signal.SIGTERM)
    told = False

    def tell(message: dict[str, object]) -> None:
        nonlocal told
        if not told:
            told = True
            os.write(pipe, json.dumps(message).encode())
            os.close(pipe)

    try:
        from genpack_vm import mount_server

        mount_server.serve(found.image, found.layer, folder, patience=PATIENCE, ready=lambda: tell({}))
    except VmError as e:
        tell({"error": str(e), "tip": e.tip, "status": e.status})
    except ImportError as e:
        tell({"error": f"pyfuse3 cannot be used: {e}", "tip": "install it again, and libfuse3", "status": 1})


def _watch(found: source.Source, folder: Path, up: Callable[[], None], private: tuple[int, ...] = ()) -> None:
    """Mount, and stay until the mount is gone; VmError when it could not be made, or its server died.

    The server closes `private`, descriptors that are this process's alone.
    """
    reading, writing = os.pipe()
    child, ended_by = 0, 0

    def end(signum: int, frame: FrameType | None) -> None:
        nonlocal ended_by
        ended_by = signum
        if child:
            os.kill(child, signal.SIGTERM)

    before = {signum: signal.signal(signum, end) for signum in _SIGNALS}
    me = os.getpid()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            for fd in (reading, *private):
                os.close(fd)
            _server(found, folder, me, writing)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    try:
        if ended_by:
            os.kill(child, signal.SIGTERM)
        with os.fdopen(reading, "rb") as file:
            text = file.read()
        answer = json.loads(text) if text else None
        if answer == {}:
            up()
        _, status = os.waitpid(child, 0)
    finally:
        if mounted(folder) == _FS_TYPE:
            _unmount(folder, lazy=True)
        for signum, handler in before.items():
            signal.signal(signum, handler)
    if answer:
        raise VmError(answer["error"], tip=answer["tip"], status=answer["status"])
    if ended_by:
        raise InterruptError(ended_by, f"{folder} was unmounted after {signal.Signals(ended_by).name}")
    if status != 0:
        why = process.explain(os.waitstatus_to_exitcode(status))
        raise ImageError(f"{found.image}: what served {folder} {why}; it is unmounted")


def mount(what: str, folder: Path, *, foreground: bool) -> None:
    """Mount `what` on `folder`; returns once it is there, in the foreground when it is gone again."""
    if importlib.util.find_spec("pyfuse3") is None:
        raise VmError(
            "pyfuse3 is required to mount, and is not installed", tip="install it: pip install 'genpack-vm[mount]'"
        )
    found, real = source.find(what), _check_folder(folder)
    if foreground:
        _watch(found, real, lambda: log.info(f"{what} is mounted on {folder}; Ctrl-C unmounts it"))
        return
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork() == 0:
        os.close(reading)
        _background(found, real, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        text = file.read()
    answer = json.loads(text) if text else {"error": "the mount's process ended", "tip": None, "status": 1}
    if answer:
        raise VmError(answer["error"], tip=answer["tip"], status=answer["status"])


def _background(found: source.Source, folder: Path, pipe: int) -> None:
    """The watcher, without a terminal. Does not return."""
    status = 1
    try:
        os.setsid()
        os.chdir("/")
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        os.close(null)

        def up() -> None:
            nonlocal pipe
            os.write(pipe, b"{}")
            os.close(pipe)
            pipe = -1

        try:
            _watch(found, folder, up, (pipe,))
        except VmError as e:
            if pipe >= 0:
                os.write(pipe, json.dumps({"error": str(e), "tip": e.tip, "status": e.status}).encode())
        status = 0
    finally:
        os._exit(status)
