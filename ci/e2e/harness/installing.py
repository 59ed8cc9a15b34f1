# SPDX-License-Identifier: MIT
"""genpack-install in the tests: run by a user without rights, images that GRUB can read, boots by firmware."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from harness.bed import Bed, Boot
from harness.commands import Argument, Result, run
from harness.console import Console
from harness.machine import BOOT_LIMIT, Timing

#: Debian's user and group without rights.
NOBODY = 65534


@dataclass(frozen=True)
class Nobody:
    """Runs genpack-install as the user nobody. `folder`: everybody may look into it; its folder `out` is nobody's."""

    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def packages(self) -> Path:
        return self.folder / "packages"

    def prepare(self) -> None:
        """The cache root may lie below root's own folder: the installed modules are copied from there."""
        command = shutil.which("genpack-install")
        assert command is not None
        (installed,) = Path(command).resolve().parents[1].glob("lib/python3*/site-packages")
        shutil.copytree(installed, self.packages, ignore=shutil.ignore_patterns("pip*", "__pycache__"))
        self.out.mkdir()
        shutil.chown(self.out, NOBODY, NOBODY)
        self.folder.chmod(0o755)

    def install(self, *words: Argument) -> Result:
        """`genpack-install WORDS`, which must do it."""
        rights = ("--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--bounding-set", "-all")
        env = {"PYTHONPATH": str(self.packages), "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(self.out)}
        program = ("setpriv", *rights, "--no-new-privs", "/usr/bin/python3", "-m", "genpack_install")
        return run(*program, *words, env=env, cwd=self.out, timeout=300).ok()


def tiny_image(bed: Bed, name: str, folder: Path, *, filler: int = 0) -> Path:
    """The bed's tiny system with the kernel and the initramfs of a real image, for GRUB. `filler`: bytes of a file that
    can't be compressed."""
    tree, path = folder / f"{name}.tree", folder / f"{name}.squashfs"
    bed.image(name)  # makes its tree
    shutil.copytree(bed.folder / f"{name}.tree", tree, symlinks=True)
    (tree / "boot").mkdir()
    for file in (bed.kernel, bed.initramfs):
        shutil.copy(file.resolve(), tree / "boot" / file.name)
    (tree / ".genpack").mkdir()
    for key, text in (("artifact", name), ("arch", "x86_64")):
        (tree / ".genpack" / key).write_text(text)
    options: list[Argument] = ["-comp", "gzip", "-Xcompression-level", "1", "-all-root", "-quiet", "-no-progress"]
    if filler:
        with (tree / "filler").open("wb") as out:
            subprocess.run(["head", "-c", str(filler), "/dev/urandom"], stdout=out, check=True)
        options += ["-action", "uncompressed@name(filler)"]
    run("mksquashfs", tree, path, "-noappend", *options, timeout=600).ok()
    shutil.rmtree(tree)
    return path


def boot(name: str, disk: Path, bed: Bed, timing: Timing, *options: Argument) -> Boot:
    """Boots a disk or ISO file by firmware (`options`: --bios or --uefi-disk) until the tiny system powers off."""
    console = Console(bed.folder / f"{name}-console.log")
    limit = str(BOOT_LIMIT)
    words = ("--name", name, "--memory", "768", "--timeout", limit, "--console-log", console.path, *options, disk)
    begun = time.monotonic()
    try:
        run("vm", "run", *words, env={"VM_RUN_ROOT": str(bed.folder / "run"), "HOME": str(bed.folder)},
            timeout=BOOT_LIMIT + 60).ok()  # fmt: skip
    except BaseException:
        bed.keep_log(name)
        raise
    timing.add(f"boot {name}", time.monotonic() - begun)
    return Boot(console)
