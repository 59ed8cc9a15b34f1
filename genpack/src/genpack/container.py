# SPDX-License-Identifier: MIT
"""systemd-nspawn and the overlay mount, in a mount namespace of genpack's own.

The namespace makes "nothing left mounted" true whatever happens: its mounts end with its last process. nspawn gets
SIGTERM if genpack dies (process.py), and ends the container; SIGKILL of nspawn would leave the container's processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from genpack import files, process
from genpack.errors import GenpackError, ProgramError
from genpack.workdir import WorkDir, filesystem_type

CLONE_NEWNS = 0x00020000  # linux/sched.h

#: Mount points that lie in the lower layer, so that nspawn makes none in the upper.
MOUNT_POINTS = (
    *("mnt/host", "var/cache/distfiles", "var/cache/binpkgs", "var/cache/download"),
    *("var/tmp", "tmp", "run", "proc", "sys", "dev"),
)

#: Where genpack's own programs are in the tree, for the tree's Python.
INSIDE = "/mnt/genpack-inside"


def own_mounts() -> None:
    """Puts this process into a mount namespace of its own. Raises GenpackError."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise GenpackError(f"can't make a mount namespace: {reason}", tip="genpack needs CAP_SYS_ADMIN")
    process.run(["mount", "--make-rslave", "/"])
    # nspawn's own folder: private, so that builds don't meet there; and a tmpfs, which nspawn cleans without a
    # complaint ("Attempted to remove disk file system") where /run is no tmpfs.
    Path("/run/systemd/nspawn").mkdir(parents=True, exist_ok=True)
    process.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "genpack", "/run/systemd/nspawn"])


def _bind(source: Path | str, target: str) -> str:
    """SOURCE:TARGET for --bind, with nspawn's escapes."""
    return str(source).replace("\\", "\\\\").replace(":", "\\:") + ":" + target


@dataclass(frozen=True)
class Container:
    """How to run programs in a tree. `read_only` and `writable` bind host folders: (host folder, path in the tree).
    `offline`: nothing but the loopback interface is in it."""

    root: Path
    read_only: Sequence[tuple[Path, str]] = ()
    writable: Sequence[tuple[Path, str]] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    personality: str | None = None
    offline: bool = False

    def argv(
        self, command: Sequence[str], *, network: bool = True, tmpfs: Sequence[str] = (), console: str = "pipe"
    ) -> list[str | Path]:
        """The whole command line. `network` gives the tree the host's resolv.conf; `tmpfs` are folders to cover."""
        words: list[str | Path] = ["systemd-nspawn", "--quiet", "--register=no"]
        words += ["--keep-unit", "--as-pid2", "--suppress-sync=yes", f"--console={console}", "--machine=genpack"]
        words += ["--resolv-conf=off", "--timezone=off", "--link-journal=no", f"--directory={self.root}"]
        if self.offline:
            words.append("--private-network")
        if self.personality:
            words.append(f"--personality={self.personality}")
        words += [f"--tmpfs={folder}:mode=1777" for folder in tmpfs]
        words += [f"--bind-ro={_bind(source, target)}:norbind" for source, target in self.read_only]
        words += [f"--bind={_bind(source, target)}" for source, target in self.writable]
        network = network and not self.offline
        target = resolv_conf_target(self.root) if network and Path("/etc/resolv.conf").is_file() else None
        if target:
            words.append(f"--bind-ro={_bind('/etc/resolv.conf', target)}")
        environment = {"LANG": "C.UTF-8", "NO_COLOR": "1", "TERM": "dumb", **self.env}
        words += [f"--setenv={name}={value}" for name, value in environment.items()]
        return [*words, "--", *command]

    def with_programs(self) -> Container:
        """The same, with genpack's own programs."""
        (self.root / INSIDE.lstrip("/")).mkdir(parents=True, exist_ok=True)
        return replace(self, read_only=[*self.read_only, (Path(__file__).with_name("inside"), INSIDE)])


def resolv_conf_target(root: Path) -> str | None:
    """Where a tree's resolv.conf really is (it may be a link into /run); None if it has none to cover."""
    path = root / "etc/resolv.conf"
    if path.is_symlink():
        link = os.path.normpath(Path("/etc") / path.readlink())
        return link if link.startswith("/run/") else None
    return "/etc/resolv.conf" if path.is_file() else None


@contextmanager
def overlay(work: WorkDir) -> Iterator[Path]:
    """The lower layer with a fresh, empty upper on it, mounted; afterwards the upper is on disk and unmounted."""
    work.remove(work.upper)
    work.upper.mkdir()
    # The lower's top folder is the image's: same owner and permissions.
    work.upper.chmod(work.lower.stat().st_mode & 0o7777)
    with _mounted(work, "volatile") as merged:
        yield merged


@contextmanager
def overlay_again(work: WorkDir) -> Iterator[Path]:
    """The same with the upper that is there."""
    with _mounted(work) as merged:
        yield merged


@contextmanager
def _mounted(work: WorkDir, *more: str) -> Iterator[Path]:
    # A `volatile` mount leaves a mark in the work folder that refuses the next mount: it is always a new one.
    work.remove(work.overlay_work)
    work.overlay_work.mkdir()
    work.merged.mkdir(exist_ok=True)
    options = ["lowerdir=lower", "upperdir=upper", "workdir=work", "metacopy=off", "redirect_dir=off", "index=off"]
    try:  # relative paths: nothing in them needs escaping in the mount options
        argv = ["mount", "-t", "overlay", "-o", ",".join([*options, *more]), "genpack", "merged"]
        process.run(argv, cwd=work.top)
    except ProgramError as error:
        kind = filesystem_type(work.top)
        tip = f"the work folder is on {kind}; overlayfs needs ext4, xfs, btrfs or tmpfs below it: use --work-dir"
        raise GenpackError(f"can't mount the overlay in {work.top}: {error.message}", tip=tip) from error
    try:
        yield work.merged
    except BaseException:
        process.run(["umount", "--lazy", work.merged], check=False)
        raise
    process.run(["umount", work.merged])
    files.sync_filesystem(work.upper)
    work.remove(work.overlay_work)
    work.overlay_work.mkdir()
