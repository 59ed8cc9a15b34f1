# SPDX-License-Identifier: MIT
"""The work folder: every path in it, its lock, and the state that is kept between builds."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from genpack import files, orphans, process
from genpack.errors import GenpackError

STATE_VERSION = 1
_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This file marks a cache directory made by genpack: backups may leave it out.\n"
    "# See https://bford.info/cachedir/\n"
)


@dataclass
class PhaseState:
    """How a phase last ended. `parts` are the hashes of its inputs by name, `details` what some of them were (for
    `genpack plan` to tell the difference), `seconds` how long it took."""

    key: str
    parts: dict[str, str]
    complete: bool
    seconds: float = 0.0
    details: dict[str, object] = field(default_factory=dict)


@dataclass
class State:
    """What is in the work folder. `stage3`, `snapshot`, `overlay`, `local_overlay`: hashes of what the lower layer
    holds; `managed`: files that genpack put into it for the definition, to be removed when that drops them;
    `indexed`: the repositories' metadata caches are up to date with `overlay` and `local_overlay`; `settled`: all
    packages have been installed once since the stage3 was unpacked; `tailored`: what packages were built with from the
    artifact's folders; `deep_depclean`: the key of the lower layer that was last rid of build-time dependencies;
    `writing`: the boot (its id) in which the lower layer was last changed, until all of it is on disk;
    `by_hand`: says which changes `genpack upper-bash` made to the upper layer, empty for none."""

    stage3: str = ""
    snapshot: str = ""
    overlay: str = ""
    local_overlay: str = ""
    indexed: str = ""
    breaker: str = ""
    settled: bool = False
    tailored: dict[str, str] = field(default_factory=dict)
    deep_depclean: str = ""
    writing: str = ""
    managed: list[str] = field(default_factory=list)
    lower: PhaseState | None = None
    upper: PhaseState | None = None
    pack: PhaseState | None = None
    image: str = ""
    image_identity: list[int] = field(default_factory=list)
    by_hand: str = ""


class WorkDir:
    """`work/<arch>[/<variant>]`, made if it is missing by `prepare`."""

    def __init__(self, root: Path, arch: str, variant: str | None) -> None:
        self.root = root
        self.top = root / arch / variant if variant else root / arch
        self.lower = self.top / "lower"
        self.lower_new = self.top / "lower.new"
        self.upper = self.top / "upper"
        self.overlay_work = self.top / "work"
        self.merged = self.top / "merged"
        self.logs = self.top / "logs"
        self.binpkgs = self.top / "binpkgs"
        self.binhosts = self.top / "binhosts"
        self.state_file = self.top / "state.json"
        self.lock_file = self.top / "lock"
        self.usage_file = self.top / "usage.json"

    def prepare(self) -> None:
        """Makes the folders, tags them as a cache and leaves them out of dump(8) backups."""
        self.logs.mkdir(parents=True, exist_ok=True)
        tag = self.root / "CACHEDIR.TAG"
        if not tag.exists():
            files.write(tag, _TAG.encode())
            _set_nodump(self.root)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder for this process. Raises GenpackError that says who has it. The lock ends with its holder;
        what a killed one started is waited for."""
        with self.lock_file.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise GenpackError(
                    f"{self.top} is in use by {holder}", tip="wait for it, or use another --work-dir"
                ) from None
            file.seek(0)
            if file.read():  # its holder did not come to the end of this function
                orphans.wait(self.top)
            file.truncate(0)
            try:
                holder = f"process {os.getpid()}, started {time.strftime('%Y-%m-%d %H:%M:%S')}\n"
                # Not through the file's buffer: on a full disk its close would fail once more, without a name.
                os.write(file.fileno(), holder.encode())
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(self.lock_file)) from error
            try:
                with orphans.marked(self.top):
                    yield
            finally:
                file.truncate(0)

    def load(self) -> State:
        """The state; a fresh one if there is none, or if it can't be read."""
        try:
            data = json.loads(self.state_file.read_bytes())
            if data.pop("version") != STATE_VERSION:
                return State()
            for phase in ("lower", "upper", "pack"):
                data[phase] = data[phase] and PhaseState(**data[phase])
            return State(**data)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return State()

    def save(self, state: State) -> None:
        files.write(self.state_file, json.dumps({"version": STATE_VERSION, **asdict(state)}, indent=1).encode())

    def remove(self, folder: Path) -> None:
        """Removes a tree of the work folder, never past a mount. Raises GenpackError if something is mounted in it."""
        if not folder.exists():
            return
        mounted = mounts_below(folder)
        if mounted:
            raise GenpackError(f"{mounted[0]} is mounted", tip=f"unmount it: umount {mounted[0]}")
        process.run(["rm", "-rf", "--one-file-system", "--", folder])

    def log_path(self, phase: str) -> Path:
        """A new log file's path: `logs/<phase>-<time>.log`."""
        base = f"{phase}-{time.strftime('%Y%m%dT%H%M%S')}"
        path, count = self.logs / f"{base}.log", 1
        while path.exists():
            path, count = self.logs / f"{base}-{count}.log", count + 1
        return path


def mount_points() -> list[tuple[Path, str]]:
    """(mount point, file system type) of every mount of this process."""
    result = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        escaped = left.split()[4].encode()
        result.append((Path(os.fsdecode(escaped.decode("unicode_escape").encode("latin-1"))), right.split()[0]))
    return result


def mounts_below(folder: Path) -> list[Path]:
    """The mount points in a folder, the folder itself included."""
    real = folder.resolve()
    return [point for point, _ in mount_points() if point == real or real in point.parents]


def filesystem_type(folder: Path) -> str:
    """The type of the file system that holds a folder."""
    real = folder.resolve()
    found = "unknown"
    longest = -1
    for point, kind in mount_points():
        if (point == real or point in real.parents) and len(point.parts) >= longest:
            found, longest = kind, len(point.parts)
    return found


def _set_nodump(folder: Path) -> None:
    """chattr +d; file systems without the attribute are left as they are."""
    get_flags, set_flags, nodump = 0x80086601, 0x40086602, 0x40  # linux/fs.h: FS_IOC_GETFLAGS, _SETFLAGS, FS_NODUMP_FL
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        flags = int.from_bytes(fcntl.ioctl(fd, get_flags, bytes(8))[:4], "little")
        fcntl.ioctl(fd, set_flags, (flags | nodump).to_bytes(8, "little"))
    except OSError:
        pass
    finally:
        os.close(fd)
