# SPDX-License-Identifier: MIT
"""exec-guard in the kernel of a real image: with a tiny system, and (full) as an image with USE exec-guard brings it.

What is tried is in harness/guard_check.c, which runs in both.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.bed import Bed
from harness.commands import run
from harness.console import Console
from harness.machine import Machine, Timing
from harness.toy import Mirror

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


#: What Python does in the guest: a script of the writable layer, libffi's callbacks, a copied library.
PYTHON = """\
#!/usr/bin/python3
import ctypes, os, shutil
called = []
ctypes.CFUNCTYPE(None, ctypes.c_int)(called.append)(7)
print("callback", called)
shutil.copy(os.path.realpath("/usr/lib/x86_64-linux-gnu/libm.so.6"), "/root/libcopy.so")
ctypes.CDLL("/usr/lib/x86_64-linux-gnu/libm.so.6")
try:
    ctypes.CDLL("/root/libcopy.so")
except OSError as error:
    print(error)
"""
LOG = "/var/log/audit/audit.log"


@pytest.fixture(scope="module")
def image(
    mirror: Mirror, build_cache: Path, program: Path, timing: Timing, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Built with USE exec-guard, and nothing else done for it."""
    folder = tmp_path_factory.mktemp("guard-image")
    base = "-cron -logrotate -strace -tcpdump -vi -wireguard -xfs"
    use = {"genpack/base": base, "sys-apps/genpack-init": "exec-guard"}
    check = folder / "artifact" / "files" / OWN
    check.parent.mkdir(parents=True)
    shutil.copy(program, check)
    definition = {"name": "guard", "profile": "paravirt", "use": use}
    (folder / "artifact" / "genpack.json5").write_text(json.dumps(definition))
    places = ("--work-dir", folder / "work", "--output-dir", folder)
    argv = ("genpack", "-C", folder / "artifact", *mirror.options(), *places, "--parallel", "build")
    begun = time.monotonic()
    run(*argv, timeout=1800, env={"XDG_CACHE_HOME": str(build_cache)}).ok()
    timing.add("build guard", time.monotonic() - begun)
    yield folder / "guard-x86_64.squashfs"
    run("rm", "-rf", folder / "work")


@pytest.fixture(scope="module")
def disk(ssh_key: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guard-disk")
    home = folder / "tree" / "root" / "root"
    home.mkdir(mode=0o700, parents=True)
    (home / "check.py").write_text(PYTHON)
    (home / "check.py").chmod(0o755)
    (folder / "tree" / "system.ini").write_text(f"ssh_pubkey = {ssh_key.with_suffix('.pub').read_text().strip()}\n")
    path = folder / "data.btrfs"
    with path.open("wb") as file:
        file.truncate(512 << 20)
    run("mkfs.btrfs", "-q", "-L", "data", "--rootdir", folder / "tree", path).ok()
    return path


@pytest.fixture
def vm(image: Path, disk: Path, ssh_key: Path, cache: Path, timing: Timing, watched: list[Machine]) -> Machine:
    name = f"e2e-guard-{len(watched) + 1}"
    options = ("--data-file", disk)
    made = Machine(name, image, work=disk.parent, keep=cache / "logs", key=ssh_key, options=options, timing=timing)
    watched.append(made)
    return made


def clean_shutdown(vm: Machine, disk: Path) -> None:
    vm.power_off()
    console: Console = vm.console
    console.wait(r"genpack-shutdown: all unmounted: poweroff", 5)
    assert console.trouble() == []
    assert "no error found" in run("btrfs", "check", disk).output


def audited(vm: Machine, call: int) -> str:
    """Waits for the record of a denied system call."""
    pattern = f'^type=SYSCALL .* syscall={call} success=no exit=-1 .* key="exec_guard_deny"'
    return vm.out(f"until grep -E '{pattern}' {LOG}; do sleep 0.2; done", timeout=240)


@pytest.mark.full
def test_an_image_with_the_flag(vm: Machine, disk: Path) -> None:
    with vm:
        vm.booted()
        assert "exec_guard: on" in vm.out("cat /var/log/genpack-init.log")
        assert vm.out("auditctl -l").count("key=exec_guard_deny") == 2  # for programs of 64 and of 32 bits
        # nothing of the system's own is denied while it starts
        assert vm.ssh(f"grep exec_guard_deny {LOG} | grep -v CONFIG_CHANGE").stdout == ""
        said = vm.out("/root/check.py", timeout=120).splitlines()
        assert said == ["callback [7]", "/root/libcopy.so: failed to map segment from shared object"]
        assert guard_lines(vm.out(f"/{OWN}; echo", timeout=120)) == EXPECTED
        for call, path in ((59, "/opt/guard-check"), (9, "/usr/bin/python3"), (10, "/opt/guard-check")):
            assert f'exe="{path}' in audited(vm, call), call
        assert vm.out("genpack-init check 2>&1; systemctl is-system-running").splitlines()[-1] == "running"
        vm.out("echo 'exec_guard = no' >> /run/initramfs/rw/system.ini")
        clean_shutdown(vm, disk)


@pytest.mark.full
def test_the_same_image_with_the_guard_off(vm: Machine, disk: Path) -> None:
    with vm:
        vm.booted()
        assert "exec_guard: off" in vm.out("cat /var/log/genpack-init.log")
        said = guard_lines(vm.out(f"/{OWN}; echo", timeout=120))
        assert said[:4] == ["copy 0", "tmpfs 0", "ld.so 2", "memfd 0"]
        assert [line for line in said if line.startswith(("pin ", "write"))] == ["write to /usr errno 0"]
        assert "exec_guard" not in vm.out("auditctl -l; ls /etc/audit/rules.d")
        clean_shutdown(vm, disk)
