# SPDX-License-Identifier: MIT
"""`vm run` from its start to that of QEMU, a script here, with 30 MB of kernel and initramfs; and `vm mount`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import Bench, Row

SIZE = 30_000_000
KERNEL, INITRAMFS = "boot/vmlinuz-1", "boot/initramfs-1.img"
QEMU = '#!/bin/sh\ndate +%s%N > "$STARTED"\nexit 1\n'
READ = """
import sys, time
from pathlib import Path
from genpack_vm import kernel
start = time.monotonic()
kernel.load(Path(sys.argv[1]))
print(time.monotonic() - start)
"""
PEAK = "import resource; print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"


def prepare(bench: Bench, folder: Path) -> Path:
    """An image of SIZE bytes of the hello image's kernel and initramfs."""
    source = next((bench.cache / "images").glob("hello-*.squashfs"))
    tree = folder / "tree"
    subprocess.run(["unsquashfs", "-q", "-n", "-d", tree, source, "boot"], check=True, stdout=subprocess.DEVNULL)
    boot = tree / "boot"
    kernel, initramfs = next(boot.glob("vmlinuz-*")), next(boot.glob("initramfs-*"))
    os.truncate(initramfs, SIZE - kernel.stat().st_size)
    initramfs.rename(tree / INITRAMFS)
    kernel.rename(tree / KERNEL)
    image = folder / "image.squashfs"
    argv = ["mksquashfs", str(tree), str(image), "-comp", "zstd", "-noappend", "-quiet", "-no-progress"]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    (folder / "bin").mkdir()
    (folder / "bin/qemu-system-x86_64").write_text(QEMU)
    (folder / "bin/qemu-system-x86_64").chmod(0o755)
    return image


def start(folder: Path, image: Path) -> float:
    """Milliseconds from the start of `vm run` to that of QEMU."""
    started = folder / "started"
    started.unlink(missing_ok=True)
    path = f"{folder}/bin:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "STARTED": str(started), "VM_RUN_ROOT": str(folder / "run")}
    begin = time.time_ns()
    done = subprocess.run(["vm", "run", image], env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if not started.exists():
        sys.exit(f"bench: vm run never started QEMU: {done.stderr.decode()}")
    return (int(started.read_text()) - begin) / 1e6


def silent(argv: list[str]) -> float:
    """Seconds of a command whose output is dropped."""
    begin = time.monotonic()
    subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - begin


def reading(python: Path, image: Path) -> float:
    """How long `vm` reads both files, in units of sqfscat of both in sequence."""
    done = subprocess.run([python, "-c", READ, image], capture_output=True, text=True, check=True)
    return float(done.stdout) / sum(silent(["sqfscat", str(image), name]) for name in (KERNEL, INITRAMFS))


def peak(folder: Path, image: Path) -> float:
    """MB of the largest of `vm run`'s processes, memory files not counted: they are not mapped."""
    env = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", "STARTED": "/dev/null"}
    env["VM_RUN_ROOT"] = str(folder / "run")
    code = f"import subprocess; subprocess.run(['vm', 'run', {str(image)!r}], capture_output=True); {PEAK}"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    return int(done.stdout) / 1000


def throughput(bench: Bench, folder: Path, image: Path) -> float:
    """Reading both files through `vm mount`, in units of the squashfuse program."""
    place = folder / "mount"
    place.mkdir(exist_ok=True)
    files = [str(place / name) for name in (KERNEL, INITRAMFS)]

    def once(mount: list[str]) -> float:
        done = subprocess.run([*mount, str(image), str(place)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"bench: {mount[0]}: {done.stderr}")
        try:
            return silent(["cat", *files])
        finally:
            subprocess.run(["umount", place], check=True)

    return bench.median(lambda: once(["vm", "mount"]) / once(["squashfuse"]))


def rows(bench: Bench) -> list[Row]:
    python = Path(os.path.realpath(bench.cache / "bin" / "vm")).parent / "python"
    found = []
    with tempfile.TemporaryDirectory(prefix="genpack-bench-") as name:
        folder = Path(name)
        image = prepare(bench, folder)
        note = f"{SIZE / 1e6:.0f} MB of kernel and initramfs, zstd"
        found.append(Row("vm run, to QEMU", bench.median(lambda: start(folder, image)), 250, "ms", note))
        found.append(Row("reading them", bench.median(lambda: reading(python, image)), 1.0, "x", "sqfscat in sequence"))
        found.append(Row("vm run, memory", peak(folder, image), 60, "MB", "peak of one process"))
        found.append(Row("vm mount, reading", throughput(bench, folder, image), 2.0, "x", "squashfuse"))
    return found
