# SPDX-License-Identifier: MIT
"""A test bed for the initramfs: kernel and initramfs of a real image, a tiny system to be mounted, small disks.

A boot ends by itself: the tiny system powers off, and an initramfs that gives up reboots, which ends QEMU too.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import squashfs
from harness.commands import run
from harness.console import Console
from harness.disks import Disks
from harness.machine import BOOT_LIMIT, Timing

SOURCE = Path(__file__).with_name("tiny_init.c")
#: Time of /usr in the tiny images.
USR_TIME = 1_600_000_000
RUN = "/run/initramfs"
TRANSIENT = "going on in transient mode: nothing that is changed now is kept"
UUID = "1234-ABCD"
ROOT = f"root=systemimg:{UUID}"
QUICK = "rd.timeout=2"


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


class Bed(Disks):
    """Makes images and disks in `folder`, and boots them."""

    def __init__(self, image: Path, folder: Path, keep: Path, timing: Timing) -> None:
        super().__init__(folder)
        self.keep = keep
        self.timing = timing
        boot = squashfs.extract(image, folder / "extracted", "boot") / "boot"
        self.kernel = boot / "kernel"
        self.initramfs = boot / "initramfs"
        self.init = folder / "tiny-init"
        run("gcc", "-O1", "-Wall", "-Werror", "-static", "-o", self.init, SOURCE).ok()

    def tiny(self, name: str, *, shutdown: bool = True) -> Path:
        """A folder with the tiny system, which tells its name."""
        folder = self.folder / f"{name}.tree"
        for part in ("usr/bin", "usr/libexec", "proc", "sys", "dev", "run", "tmp"):
            (folder / part).mkdir(parents=True)
        for program in ("usr/bin/genpack-init", *(["usr/libexec/genpack-shutdown"] if shutdown else [])):
            shutil.copy(self.init, folder / program)
        (folder / "image").write_text(f"{name}\n")
        run("touch", "-d", f"@{USR_TIME}", folder / "usr").ok()
        return folder

    def image(self, name: str, *, shutdown: bool = True) -> Path:
        """A SquashFS with the tiny system."""
        path = self.folder / f"{name}.squashfs"
        if path.exists():
            return path
        tree = self.tiny(name, shutdown=shutdown)
        run("mksquashfs", tree, path, "-quiet", "-no-progress", "-all-root").ok()
        return path

    def boot(self, name: str, cmdline: str, *disks: tuple[Path, str | None], qemu: Sequence[str | Path] = ()) -> Boot:
        """Boot to the end. Each disk: (file, virtio serial or None), /dev/vda first."""
        console = Console(self.folder / f"{name}-console.log")
        argv: list[str | Path] = [
            "qemu-system-x86_64",
            "-machine",
            "q35,accel=tcg",
            "-cpu",
            "max",
            "-m",
            "512",
            "-smp",
            "1",
            "-nodefaults",
            "-display",
            "none",
            "-no-reboot",
            "-serial",
            f"file:{console.path}",
            "-kernel",
            self.kernel,
            "-initrd",
            self.initramfs,
            "-append",
            f"console=ttyS0 quiet panic=1 {cmdline}",
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


def good(boot: Boot, image: str, root: str = f"upperdir={RUN}/rw/root,workdir={RUN}/rw/work") -> None:
    """It came up from this image, with an overlay, a shutdown program and no trouble on the console."""
    assert boot.image == image
    assert boot.console.trouble() == []
    assert boot.console.lines("tiny: end")
    source, kind, options = boot.mounts["/"]
    assert (source, kind) == ("root", "overlay")
    assert f"lowerdir={RUN}/ro,{root}" in options
    assert boot.mounts[f"{RUN}/ro"][1] == "squashfs"
    assert boot.stats[f"{RUN}/shutdown"][0] == "755"
    assert "noexec" not in boot.mounts["/run"][2]


def data_of(boot: Boot) -> tuple[str, str]:
    """(device, file system) of the writable layer."""
    return boot.mounts[f"{RUN}/rw"][:2]


def failed(boot: Boot, *texts: str) -> None:
    """No system came up, the reason is on the console, and the machine rebooted by itself instead of a shell."""
    assert boot.image == "" and not boot.console.lines("tiny: ")
    for text in texts:
        assert [line for line in boot.loud if text in line], (text, boot.console.text()[-3000:])
    assert "the boot failed, see the line above" in boot.loud
    assert not boot.console.lines("emergency shell|Press Enter for maintenance")


def tree(folder: Path, *folders: str) -> Path:
    for name in folders:
        (folder / name).mkdir(parents=True)
    return folder
