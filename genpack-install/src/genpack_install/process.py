# SPDX-License-Identifier: MIT
"""The only module that starts programs: argument lists, closed stdin unless stated, missing programs explained."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from genpack_install.errors import InstallError
from genpack_install.log import Log

#: program -> (what needs it, Debian package, Gentoo package)
PROGRAMS = {
    "gpg": ("check signatures", "gnupg", "app-crypt/gnupg"),
    "unsquashfs": ("read an image", "squashfs-tools", "sys-fs/squashfs-tools"),
    "sfdisk": ("partition a disk", "fdisk", "sys-apps/util-linux"),
    "lsblk": ("look at disks", "util-linux", "sys-apps/util-linux"),
    "blockdev": ("tell the kernel of new partitions", "util-linux", "sys-apps/util-linux"),
    "unshare": ("give the files of the data partition to root", "util-linux", "sys-apps/util-linux"),
    "mkfs.fat": ("make the boot partition", "dosfstools", "sys-fs/dosfstools"),
    "mmd": ("fill the boot partition", "mtools", "sys-fs/mtools"),
    "mcopy": ("fill the boot partition", "mtools", "sys-fs/mtools"),
    "mkfs.btrfs": ("make the data partition", "btrfs-progs", "sys-fs/btrfs-progs"),
    "xorriso": ("make an ISO file", "xorriso", "dev-libs/libisoburn"),
    "grub-mkimage": ("make boot loaders", "grub-common", "sys-boot/grub"),
}
STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Result:
    """What a program that ended well left behind."""

    stdout: str
    stderr: str


def require(programs: Iterable[str]) -> None:
    """Raises InstallError that names every program that is missing."""
    absent = [name for name in dict.fromkeys(programs) if shutil.which(name) is None]
    if not absent:
        return
    what = "; ".join(f"{name} is required to {PROGRAMS[name][0]}" for name in absent)
    debian = " ".join(sorted({PROGRAMS[name][1] for name in absent}))
    gentoo = " ".join(sorted({PROGRAMS[name][2] for name in absent}))
    raise InstallError(
        f"{what}, and not found in PATH", tip=f"install: apt-get install {debian} (Debian), emerge {gentoo} (Gentoo)"
    )


def explain(status: int) -> str:
    """A program's exit status as text; negative ones are signals, as subprocess reports them."""
    if status >= 0:
        return f"ended with status {status}"
    return f"was killed by {signal.Signals(-status).name}"


def run(
    argv: Sequence[str | Path],
    log: Log,
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    tip: str | None = None,
    keep: bool = True,
) -> Result:
    """Run a program to its end; InstallError if it fails, with its last line. It is stopped if we are interrupted.
    `keep` False: what it prints on stdout is dropped."""
    words = [str(word) for word in argv]
    log.debug(f"$ {shlex.join(words)}")
    full = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
    source = subprocess.DEVNULL if stdin is None else subprocess.PIPE
    try:
        child = subprocess.Popen(
            words,
            stdin=source,
            stdout=subprocess.PIPE if keep else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=full,
            cwd=cwd,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches us alone, and we stop it
        )
    except FileNotFoundError as e:
        require([words[0]])
        raise InstallError(f"cannot run {words[0]}: {e.strerror}") from e
    try:
        out, err = child.communicate(stdin)
    except BaseException:
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        raise
    if child.returncode != 0:
        said = [line for line in (err + (out or "")).splitlines() if line.strip()]
        why = f": {said[-1].strip()}" if said else ""
        raise InstallError(f"{words[0]} {explain(child.returncode)}{why}", tip=tip)
    return Result(out or "", err)
