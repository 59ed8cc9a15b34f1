# SPDX-License-Identifier: MIT
"""exec-guard in the kernel of a real image, with a tiny system. What is tried is in harness/guard_check.c."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from harness.bed import Bed
from harness.commands import run
from harness.machine import Timing

SOURCE = Path(__file__).with_name("harness") / "guard_check.c"
OWN = "opt/guard-check"
LOADER = "usr/libexec/genpack-exec-guard"
EPERM, EROFS = 1, 30

#: The last ones of what guard_check.c prints in both systems.
EXPECTED = f"""\
copy errno {EPERM}
tmpfs errno {EPERM}
ld.so 127
memfd errno {EPERM}
image 0
layer of the image 0
script 0
mmap copy errno {EPERM}
mmap image errno 0
mprotect copy errno {EPERM}
mprotect image errno 0
mmap memory errno 0
mprotect memory errno 0
other overlay errno {EPERM}
copied up errno {EPERM}
mprotect copied up errno {EPERM}
write to /usr errno {EROFS}
pin exec_guard_exec
pin exec_guard_mmap
pin exec_guard_mprotect""".splitlines()


def guard_lines(text: str) -> list[str]:
    return [line.split("guard: ", 1)[1] for line in text.splitlines() if line.startswith("guard: ")]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("guard-check") / "guard-check"
    run("gcc", "-O1", "-Wall", "-Werror", "-static", "-o", path, SOURCE).ok()
    return path


@pytest.fixture(scope="module")
def loader() -> Path:
    """ci/prepare builds it with the command genpack-init."""
    return Path(shutil.which("genpack-init") or "").resolve().parents[1] / "libexec" / "genpack-exec-guard"


@pytest.fixture(scope="module")
def bed(hello_image: Path, cache: Path, timing: Timing, tmp_path_factory: pytest.TempPathFactory) -> Bed:
    return Bed(hello_image, tmp_path_factory.mktemp("guard-bed"), cache / "logs", timing)


@pytest.fixture(scope="module")
def tiny(bed: Bed, program: Path, loader: Path) -> Path:
    """An image with the check as its init, the loader and its libraries."""
    tree = bed.folder / "tree"
    for part in ("usr/bin", "usr/libexec", "opt", "proc", "sys", "dev", "run", "tmp"):
        (tree / part).mkdir(parents=True)
    for target in (OWN, "usr/bin/genpack-init", "usr/libexec/genpack-shutdown"):
        shutil.copy(program, tree / target)
    shutil.copy(loader, tree / LOADER)
    for library in re.findall(r"(/\S+) \(0x", run("ldd", loader).ok().stdout):
        target = tree / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    path = bed.folder / "guard.squashfs"
    run("mksquashfs", tree, path, "-quiet", "-no-progress", "-all-root").ok()
    return path


def test_without_an_image_there_is_one_line(loader: Path) -> None:
    """This machine's root is none."""
    done = run(loader, "on")
    assert (done.status, done.output.count("\n")) == (1, 1), str(done)
    assert done.stderr.startswith("not guarded: /run/initramfs/ro: ")
    assert run(loader, "off").ok().output == ""
    assert run(loader, "on", "off").status == 2


def test_only_the_image_is_executed(bed: Bed, tiny: Path) -> None:
    said = guard_lines(bed.boot("guard", "root=/dev/vda", (tiny, "system")).console.text())
    assert said[:2] == ["on 0", "on again 0"]
    assert said[2:-5] == EXPECTED
    # The shutdown's program lies in a tmpfs: once `off` has ended, nothing may be denied any more.
    assert said[-5:] == ["off 0", "copy after off 0", "off again 0", "no word 2", "end"]


@pytest.mark.full
def test_a_kernel_that_does_not_ask_bpf(bed: Bed, tiny: Path) -> None:
    console = bed.boot("guard-lsm", "root=/dev/vda lsm=lockdown,yama", (tiny, "system")).console
    said = guard_lines(console.text())
    assert said[:3] == ["on 1", "on again 1", "copy 0"]
    assert not [line for line in said if line.startswith("pin ")] and said[-1] == "end"
    assert len(console.lines(r'^not guarded: "bpf" is not in the kernel\'s LSM list')) == 2
