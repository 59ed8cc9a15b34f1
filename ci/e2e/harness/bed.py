# SPDX-License-Identifier: MIT
"""A test bed for the initramfs: kernel and initramfs of a real image, a tiny system to be mounted, small disks.

A boot ends by itself: the tiny system powers off, and an initramfs that gives up reboots, which ends QEMU too.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import squashfs
from harness.commands import run
from harness.console import Console
from harness.machine import BOOT_LIMIT, Timing

SOURCE = Path(__file__).with_name("tiny_init.c")
#: Time of /usr in the tiny images.
USR_TIME = 1_600_000_000
MIB = 1 << 20


@dataclass(frozen=True)
class Boot:
    """What a boot said. `console` has everything, the other properties what the tiny system found."""

    console: Console

    def lines(self, what: str) -> list[str]:
        """The tiny system's lines of one kind, without their beginning."""
        begin = f"tiny: {what} "
        return [line.split(begin, 1)[1] for line in self.console.text().splitlines() if begin in line]

    @property
    def image(self) -> str:
        """Name of the tiny image that was booted; empty: none was."""
        return "".join(self.lines("image"))

    @property
    def kept(self) -> bool:
        """Whether the boot before left its file."""
        return self.lines("kept") == ["by the boot before"]

    @property
    def mounts(self) -> dict[str, tuple[str, str, str]]:
        """Mount point -> (source, type, options)."""
        return {f[1]: (f[0], f[2], f[3]) for f in (line.split() for line in self.lines("mount"))}

    @property
    def stats(self) -> dict[str, tuple[str, int, int]]:
        """Path -> (mode in octal, size, time of modification)."""
        return {f[0]: (f[1], int(f[2]), int(f[3])) for f in (line.split() for line in self.lines("stat"))}

    def said(self, text: str) -> list[str]:
        """The lines of the initramfs with a text."""
        return [line for line in self.console.lines("genpack: ") if text in line]

    @property
    def loud(self) -> list[str]:
        """What the initramfs said although the kernel was told to be quiet."""
        return [line.split("genpack: ", 1)[1] for line in self.console.lines(r"\] genpack: ")]


class Bed:
    """Makes images and disks in `folder`, and boots them."""

    def __init__(self, image: Path, folder: Path, keep: Path, timing: Timing) -> None:
        self.folder = folder
        self.keep = keep
        self.timing = timing
        boot = squashfs.extract(image, folder / "extracted", "boot") / "boot"
        self.kernel = boot / "kernel"
        self.initramfs = boot / "initramfs"
        self.init = folder / "tiny-init"
        run("gcc", "-O1", "-Wall", "-Werror", "-static", "-o", self.init, SOURCE).ok()

    def image(self, name: str) -> Path:
        """A SquashFS with the tiny system, which tells its name."""
        path = self.folder / f"{name}.squashfs"
        if path.exists():
            return path
        tree = self.folder / f"{name}.tree"
        for part in ("usr/bin", "usr/libexec", "proc", "sys", "dev", "run", "tmp"):
            (tree / part).mkdir(parents=True)
        for program in ("usr/bin/genpack-init", "usr/libexec/genpack-shutdown"):
            shutil.copy(self.init, tree / program)
        (tree / "image").write_text(f"{name}\n")
        run("touch", "-d", f"@{USR_TIME}", tree / "usr").ok()
        run("mksquashfs", tree, path, "-quiet", "-no-progress", "-all-root").ok()
        return path

    def blank(self, name: str, size: int) -> Path:
        """A file of `size` bytes without anything in it."""
        path = self.folder / name
        with path.open("wb") as file:
            file.truncate(size)
        return path

    def fat(self, name: str, uuid: str, files: dict[str, Path | str], *, mib: int = 40) -> Path:
        """A FAT32 file system with files; `uuid` is XXXX-XXXX."""
        path = self.blank(name, mib * MIB)
        run("mkfs.fat", "-F", "32", "-i", uuid.replace("-", ""), path).ok()
        for target, content in files.items():
            source = content
            if isinstance(source, str):
                source = self.folder / f"{name}.file"
                source.write_text(str(content))
            run("mcopy", "-i", path, source, f"::{target}").ok()
        return path

    def btrfs(self, name: str, label: str, tree: Path | None = None, *, mib: int = 128) -> Path:
        """A Btrfs file system with the files of `tree`."""
        path = self.blank(name, mib * MIB)
        run("mkfs.btrfs", "-q", "-L", label, *(("--rootdir", tree) if tree else ()), path).ok()
        return path

    def disk(self, name: str, *partitions: Path) -> Path:
        """A disk with an MBR and these file systems as its partitions."""
        sectors = [p.stat().st_size // 512 for p in partitions]
        path = self.blank(name, (sum(sectors) + 2048 * (len(sectors) + 1)) * 512)
        start, table = 2048, "label: dos\n"
        for size in sectors:
            table += f"start={start}, size={size}, type=c\n"
            start += size
        argv = ["/sbin/sfdisk", "-q", str(path)]
        done = subprocess.run(argv, input=table, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        start = 2048
        with path.open("r+b") as file:
            for partition, size in zip(partitions, sectors, strict=True):
                file.seek(start * 512)
                with partition.open("rb") as source:
                    shutil.copyfileobj(source, file)
                start += size
        return path

    def boot(self, name: str, cmdline: str, *disks: tuple[Path, str | None], qemu: Sequence[str | Path] = ()) -> Boot:
        """Boot to the end. Each disk: (file, virtio serial or None), /dev/vda first."""
        console = Console(self.folder / f"{name}-console.log")
        argv: list[str | Path] = [
            "qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max", "-m", "512", "-smp", "1",
            "-nodefaults", "-display", "none", "-no-reboot", "-serial", f"file:{console.path}",
            "-kernel", self.kernel, "-initrd", self.initramfs,
            "-append", f"console=ttyS0 quiet panic=1 {cmdline}",
        ]
        for number, (path, serial) in enumerate(disks):
            argv += ["-drive", f"if=none,id=d{number},format=raw,file={path}"]
            argv += ["-device", f"virtio-blk-pci,drive=d{number}" + (f",serial={serial}" if serial else "")]
        begun = time.monotonic()
        try:
            run(*argv, *qemu, timeout=BOOT_LIMIT).ok()
        except BaseException:
            self.keep_log(name)
            raise
        self.timing.add(f"boot {name}", time.monotonic() - begun)
        return Boot(console)

    def keep_log(self, name: str) -> None:
        """Copy a console log to where a person finds it after the tests."""
        self.keep.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}-console.log"
        if path.exists():
            shutil.copy(path, self.keep / path.name)
