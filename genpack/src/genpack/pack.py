# SPDX-License-Identifier: MIT
"""The pack phase: the upper layer as one SquashFS file, the same bytes for the same content."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from genpack import files, hashing, progress, timestamp
from genpack.errors import GenpackError
from genpack.model import Compression
from genpack.squashfs import check_superblock
from genpack.steps import Steps

#: Never in an image: build scripts, caches of programs that ran in the upper phase.
LEFT_OUT = {"build", "build.d", "var/cache/ldconfig"}
#: The folders stay, what is in them goes; of logs only the files go, daemons want their folders.
EMPTIED = ("var/tmp/",)
LOGS = "var/log/"
#: Places of boot loaders, that make an image one GRUB reads.
GRUB_FOLDERS = ("usr/lib/grub", "usr/lib/genpack-install")
GRUB_READS = {"gzip", "xz", "lzo", "none"}

_OPTIONS = {
    "gzip": ["-comp", "gzip", "-Xcompression-level", "1"],
    "xz": ["-comp", "xz", "-b", "1M"],
    "lzo": ["-comp", "lzo"],
    "zstd": ["-comp", "zstd", "-Xcompression-level", "3"],
    "lz4": ["-comp", "lz4", "-Xhc"],
    "none": ["-noI", "-noD", "-noF", "-noX"],
}


@dataclass(frozen=True)
class Pack:
    """What the phase needs. `epoch`: seconds, the time of the image and the latest time of a file in it."""

    upper: Path
    output: Path
    compression: Compression
    epoch: int

    def run(self, steps: Steps) -> list[str]:
        """Writes the image: to a temporary name, checked, synced, renamed. The paths that were left out."""
        algorithm = self.algorithm()
        if algorithm not in GRUB_READS and has_grub(self.upper):
            steps.log.warning(f"GRUB can't read {algorithm}: a machine that boots this image by GRUB will not start")
        self.output.parent.mkdir(parents=True, exist_ok=True)
        files.remove_left(self.output)  # the work folder's lock says that no other run is at it
        temporary = self.output.with_name(f".{self.output.name}.{os.getpid()}.tmp")
        excluded = steps.path.with_suffix(".exclude")
        try:
            with steps.step(f"mksquashfs ({algorithm})"):
                settle(self.upper, self.epoch)
                left = list(left_out(self.upper))
                excluded.write_bytes(b"".join(os.fsencode(name) + b"\n" for name in left))
                steps.command(
                    self.argv(temporary, excluded),
                    what="mksquashfs",
                    tip="is the disk full?",
                    watch=progress.mksquashfs,
                    bar=True,
                )
            with steps.step("check the image"):
                check_superblock(temporary)
                steps.command(["unsquashfs", "-stat", temporary], what="unsquashfs -stat")
                files.publish(temporary, self.output)
        finally:
            temporary.unlink(missing_ok=True)
            excluded.unlink(missing_ok=True)
        return left

    def algorithm(self) -> str:
        """The algorithm that `auto` stands for here, or the one given."""
        if self.compression.algorithm != "auto":
            return self.compression.algorithm
        return "gzip" if has_grub(self.upper) else "zstd"

    def described(self) -> str:
        """ALGORITHM or ALGORITHM:LEVEL, as the image was packed."""
        level = self.compression.level
        return self.algorithm() + (f":{level}" if level is not None else "")

    def argv(self, target: Path, excluded: Path) -> list[str | Path]:
        """mksquashfs without CAP_SYS_ADMIN: it then does not see overlayfs' trusted.* attributes, and keeps others."""
        options = list(_OPTIONS[self.algorithm()])
        if self.compression.level is not None:
            options = ["-comp", self.algorithm(), "-Xcompression-level", str(self.compression.level)]
        words: list[str | Path] = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"]
        words += ["env", f"SOURCE_DATE_EPOCH={self.epoch}", "mksquashfs", self.upper, target, *options]
        return [*words, "-reproducible", "-xattrs", "-noappend", "-progress", "-quiet", "-ef", excluded]


def has_grub(upper: Path) -> bool:
    """True if the image carries boot loader files."""
    return any((upper / name).is_dir() and any((upper / name).iterdir()) for name in GRUB_FOLDERS)


def settle(upper: Path, epoch: int) -> None:
    """Gives folders and symlinks the image's time. Theirs say when a package was merged, and how: Portage keeps a
    symlink's time when it builds the package, but not when it installs a binary one."""
    folders = []
    for name, info in hashing.walk(upper):
        if info.st_mtime_ns == epoch * 10**9:
            continue
        if stat.S_ISLNK(info.st_mode):
            os.utime(upper / name, (epoch, epoch), follow_symlinks=False)
        elif stat.S_ISDIR(info.st_mode):
            folders.append(upper / name)
    for folder in (upper, *folders):
        os.utime(folder, (epoch, epoch))


def left_out(upper: Path) -> Iterator[str]:
    """Paths of the upper layer that are not in the image, overlayfs' whiteouts among them; of a folder left out only
    itself. A name that mksquashfs' list can't hold raises GenpackError."""
    gone: list[str] = []
    for name, info in hashing.walk(upper):
        if any(name.startswith(f"{folder}/") for folder in gone):
            continue
        whiteout = stat.S_ISCHR(info.st_mode) and info.st_rdev == 0
        log = name.startswith(LOGS) and not stat.S_ISDIR(info.st_mode)
        if whiteout or log or name in LEFT_OUT or name.startswith(EMPTIED):
            if "\n" in name or name != name.strip():
                raise GenpackError(f"the name {name!r} can't be left out of the image", tip="rename or remove the file")
            if stat.S_ISDIR(info.st_mode):
                gone.append(name)
            yield name


def epoch_of(timestamp_commit: Path) -> int:
    """Seconds since 1970 in `COMMIT EPOCH ISO-TIME`, the content of a repository's metadata/timestamp.commit."""
    return timestamp.of_file(timestamp_commit).epoch


def commit_of(lower: Path) -> str:
    """The commit of the snapshot that a lower layer holds."""
    return timestamp.of_file(lower / "var/db/repos/gentoo/metadata/timestamp.commit").commit
