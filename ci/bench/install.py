# SPDX-License-Identifier: MIT
"""genpack-install beside the least that must be done: a copy of the image, xorriso by hand. Everything is fsynced."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

from builder_memory import peak
from common import Bench, Row, seconds

#: Bytes of the image: large enough that the start of Python and of a dozen programs does not count.
SIZE = 1 << 30


def _image(folder: Path) -> Path:
    """An image of noise, with all that genpack-install looks for."""
    tree, path = folder / "tree", folder / "image.squashfs"
    for name in (".genpack/artifact", "boot/kernel", "boot/initramfs"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("bench")
    with (tree / "noise").open("wb") as out:
        subprocess.run(["head", "-c", str(SIZE), "/dev/urandom"], stdout=out, check=True)
    seconds(["mksquashfs", str(tree), str(path), "-quiet", "-no-progress", "-noD", "-noF"])
    shutil.rmtree(tree)
    return path


def _in_turns(bench: Bench, ours: list[str], plain: list[str], made: tuple[Path, Path]) -> tuple[float, float]:
    """Medians of both commands, whose outputs are removed before each run."""
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(max(3, bench.runs)):
        for argv, output, times in zip((ours, plain), made, found, strict=True):
            output.unlink(missing_ok=True)
            os.sync()
            times.append(seconds(argv))
    return statistics.median(found[0]), statistics.median(found[1])


def _row(what: str, limit: float, times: tuple[float, float], beside: str) -> Row:
    ours, plain = times
    return Row(what, ours / plain, limit, "x", f"genpack-install {ours:.2f} s, {beside} {plain:.2f} s")


def rows(bench: Bench) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="genpack-bench-") as name:
        folder = Path(name)
        image, loaders = _image(folder), folder / "loaders"
        seconds(["genpack-install", "build-bootloaders", "--output", str(loaders)])
        outputs = {mode: folder / f"out.{mode}" for mode in ("disk", "cdrom", "zip")}

        def command(mode: str) -> list[str]:
            return [
                *("genpack-install", f"--{mode}", str(outputs[mode]), "--bootloaders", str(loaders), "-y", str(image))
            ]

        copy, bare = folder / "copy", folder / "bare.iso"
        # dd's fsync makes the copy as durable as ours.
        copying = ["dd", f"if={image}", f"of={copy}", "bs=4M", "conv=fsync", "status=none"]
        disk = _in_turns(bench, command("disk"), copying, (outputs["disk"], copy))
        outputs["disk"].unlink()
        packed = _in_turns(bench, command("zip"), copying, (outputs["zip"], copy))
        copy.unlink()
        memory = peak(command("zip"), {})
        outputs["zip"].unlink()
        # With the files that are beside the image in ours, but none that boots.
        content = [f"system.img={image}", f"boot/grub/efi={loaders}/eltorito-efi.img", f"boot/efi={loaders}"]
        by_hand = [
            "xorriso",
            "-as",
            "mkisofs",
            "-quiet",
            "-r",
            "-J",
            "-iso-level",
            "3",
            "-o",
            str(bare),
            "-graft-points",
        ]
        iso = _in_turns(bench, command("cdrom"), [*by_hand, *content], (outputs["cdrom"], bare))
    return [
        _row("genpack-install --disk / copy", 1.5, disk, "dd with fsync"),
        _row("genpack-install --zip / copy", 2.0, packed, "dd with fsync"),
        Row("memory of genpack-install --zip", memory, 40, "MB", f"the image has {SIZE >> 20} MiB"),
        _row("genpack-install --cdrom / xorriso", 1.1, iso, "xorriso by hand"),
    ]
