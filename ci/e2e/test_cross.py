# SPDX-License-Identifier: MIT
"""Builds for other architectures, up to programs of theirs that really start in the container.

There is no foreign stage3 here, so every program of these is one that says what it was started with: on which
machine, with which arguments, in which environment. binfmt_misc is mounted, and its entries made, in a mount namespace
that ends with the test, whatever happens.
"""

from __future__ import annotations

import io
import os
import shutil
import struct
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness.commands import Result, run
from harness.leftovers import check_nothing_left
from harness.toy import Mirror, Workspace

BINFMT = Path("/proc/sys/fs/binfmt_misc")
PROGRAMS = ("bash", "egencache", "emerge", "env", "etc-update", "genpack-unmerge-masked-packages", "python3")

# uname(buffer); write(1, machine of buffer, 65); write(1, argv[0], to the end of the environment); exit(0)
AARCH64 = """
f4030091 ff0308d1 e0030091 081480d2 010000d4            stack pointer kept, 512 bytes; uname (160)
200080d2 e1130491 220880d2 080880d2 010000d4            write (64) of 65 bytes at 260
8206c1a8 940e028b                                       argc, argv[0]; behind argv
838640f8 630000b4 e40303aa fdffff17                     the last string of the environment
83144038 e3ffff35                                       its end
200080d2 820001cb 080880d2 010000d4                     write
000080d2 a80b80d2 010000d4                              exit (93)
"""
RISCV64 = """
13040100 130101e0 13050100 9308000a 73000000            stack pointer kept, 512 bytes; uname (160)
13051000 93054110 13061004 93080004 73000000            write (64) of 65 bytes at 260
03360400 83358400 13163600 3304c400                     argc, argv[0]; behind argv
83360401 13048400 63860600 13870600 6ff01fff            the last string of the environment
83460700 13071700 e39c06fe                              its end
13051000 3306b740 93080004 73000000                     write
13050000 9308d005 73000000                              exit (93)
"""
I686 = """
89e6 81ec00020000 89e3 b87a000000 cd80                  stack pointer kept, 512 bytes; uname (122)
bb01000000 8d8c2404010000 ba41000000 b804000000 cd80    write (4) of 65 bytes at 260
ad 8b0e 8d748604                                        argc, argv[0]; behind argv
ad 85c0 7404 89c7 ebf7                                  the last string of the environment
803f00 8d7f01 75f8                                      its end
bb01000000 89fa 29ca b804000000 cd80                    write
31db b801000000 cd80                                    exit (1)
"""


@dataclass(frozen=True)
class Target:
    name: str
    gentoo: str
    token: str
    bits: int
    machine: int
    code: str

    def program(self) -> bytes:
        """A static ELF program: one segment, mapped whole."""
        code = bytes.fromhex("".join(line[:56] for line in self.code.splitlines()))
        ident = b"\x7fELF" + bytes([self.bits // 32, 1, 1]) + bytes(9)
        base = 0x400000
        if self.bits == 64:
            size, header, layout = 120, (64, 56), "<HHIQQQIHHHHHH"
            segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size + len(code), size + len(code), 0x1000)
        else:
            size, header, layout = 84, (52, 32), "<HHIIIIIHHHHHH"
            segment = struct.pack("<IIIIIIII", 1, 0, base, base, size + len(code), size + len(code), 5, 0x1000)
        fields = (2, self.machine, 1, base + size, header[0], 0, 0, *header, 1, 0, 0, 0)
        return ident + struct.pack(layout, *fields) + segment + code


AARCH64_TARGET = Target("aarch64", "arm64", "arm64", 64, 183, AARCH64)
RISCV64_TARGET = Target("riscv64", "riscv", "rv64_lp64d", 64, 243, RISCV64)
I686_TARGET = Target("i686", "x86", "i686", 32, 3, I686)


def archive(path: Path, files: dict[str, bytes]) -> int:
    """Makes a .tar.xz of executable files; its size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:xz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            tar.addfile(info, io.BytesIO(content))
    return path.stat().st_size


@dataclass(frozen=True)
class Place(Workspace):
    """A workspace for a target, which nothing signs."""

    target: Target = I686_TARGET

    def argv(self, *words: str | Path) -> tuple[str, ...]:
        return super().argv("--no-verify", "--arch", self.target.name, *words)

    @property
    def env(self) -> dict[str, str]:
        return {**super().env, "TERM": "dumb"}  # genpack hands it to the shell

    @property
    def log(self) -> str:
        """What the lower phase's programs said."""
        logs = (self.work / self.target.name / "logs").glob("lower-*.log")
        return max(logs, key=lambda path: path.stat().st_mtime_ns).read_text()

    def says(self, *words: str) -> str:
        """How the output of a program that was started with these words begins."""
        return self.target.name.ljust(65, "\0") + "\0".join([*words, ""])


@pytest.fixture
def place(request: pytest.FixtureRequest, toy_mirror: Mirror, tmp_path: Path) -> Iterator[Place]:
    target: Target = request.param
    overlay = tmp_path / "overlay"
    shutil.copytree(toy_mirror.overlay, overlay, symlinks=True)
    # Its presence is checked; no Portage reads it here.
    profile = overlay / "profiles/genpack" / target.gentoo / "toy"
    profile.mkdir(parents=True)
    (profile / "parent").write_text("..\n")
    mirror, folder = tmp_path / "mirror", tmp_path / "mirror/releases" / target.gentoo / "autobuilds"
    name = f"1/stage3-{target.token}-systemd-1.tar.xz"
    files = {f"usr/bin/{program}": target.program() for program in PROGRAMS}
    size = archive(folder / name, {**files, "etc/os-release": b"ID=gentoo\n"})
    (folder / f"latest-stage3-{target.token}-systemd.txt").write_text(f"{name} {size}\n")
    stamp = {"gentoo-1/metadata/timestamp.commit": b"abc 1700000000 2023-11-14T22:13:20Z\n"}
    archive(mirror / "snapshots/gentoo-latest.tar.xz", stamp)
    made = Place(tmp_path, Mirror(mirror, overlay, toy_mirror.keyring), tmp_path / "cache", target)
    made.define()
    yield made
    check_nothing_left(tmp_path)


@dataclass(frozen=True)
class Apart:
    """A mount namespace of the test's own, in which binfmt_misc is not mounted to begin with."""

    pid: int

    def run(self, *argv: str, env: dict[str, str] | None = None) -> Result:
        return run("nsenter", f"--target={self.pid}", "--mount", "--", *argv, timeout=240, env=env)

    def sh(self, script: str) -> Result:
        return self.run("sh", "-ec", script)

    def genpack(self, place: Place, *words: str) -> Result:
        return self.run(*place.argv(*words), env=place.env)


@pytest.fixture
def entry() -> str:
    """The name of the test's own entry."""
    return f"genpack-test-{os.getpid()}"


@pytest.fixture
def apart(entry: str) -> Iterator[Apart]:
    argv = ["unshare", "--mount", "--propagation=private", "cat"]  # it ends with the test, as the pipe does
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        holder.stdin.write(b"there\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == b"there\n"
        made = Apart(holder.pid)
        try:
            mounted = made.sh(f"mount -t binfmt_misc binfmt_misc {BINFMT}")
            if mounted.status != 0:
                pytest.skip(f"the kernel of this machine refuses binfmt_misc: {mounted.stderr.strip()}")
            made.sh(f"while umount --lazy {BINFMT}; do :; done")
            yield made
        finally:
            # A machine that has binfmt_misc mounted anyway keeps the entries of all namespaces.
            made.sh(f"test -e {BINFMT}/{entry} && echo -1 > {BINFMT}/{entry}")
            with suppress(BrokenPipeError):
                holder.stdin.close()


def command(result: Result, why: str, target: Target, entry: str) -> str:
    """What the tip says to run; the entry that it makes gets the test's own name."""
    assert result.status != 0, str(result)
    (line,) = result.error_lines("genpack")
    assert line.startswith(f"genpack: error: this machine can't run {target.name} programs: {why}"), line
    (tip,) = [line for line in result.stderr.splitlines() if line.startswith("tip: run: ")]
    return tip.removeprefix("tip: run: ").replace(f":qemu-{target.name}:", f":{entry}:")


@pytest.mark.parametrize("place", [AARCH64_TARGET, RISCV64_TARGET], indirect=True, ids=["aarch64", "riscv64"])
def test_foreign_programs_start_in_the_container(place: Place, apart: Apart, entry: str) -> None:
    register = command(apart.genpack(place, "lower"), "binfmt_misc is not mounted", place.target, entry)
    assert not (place.work / place.target.name).exists()
    apart.sh(register).ok()
    apart.genpack(place, "lower").ok()
    assert place.says("/usr/bin/egencache", "--update") in place.log
    assert place.says("/usr/bin/emerge", "--color=n") in place.log
    assert "\0@world\0@genpack-runtime\0@genpack-buildtime\0" in place.log
    assert "\0FEATURES=-pid-sandbox\0" in place.log
    result = apart.genpack(place, "bash", "emerge", "--info").ok()
    assert result.stdout.startswith(place.says("/usr/bin/env", "TERM=dumb", "emerge", "--info")), str(result)
    assert "\0FEATURES=-pid-sandbox\0" in result.stdout
    # Each architecture has its own folders.
    assert [path.name for path in place.work.iterdir() if path.is_dir()] == [place.target.name]
    binpkgs = place.cache / "genpack/binpkgs"
    assert [path.name for path in binpkgs.iterdir() if path.is_dir()] == [place.target.name]
    # What is wrong with an entry is told, and what the tip says mends it.
    name = f"the entry {entry} of binfmt_misc"
    changes = (
        (f"echo 0 > {BINFMT}/{entry}", f"{name} is disabled"),
        (f"echo -1 > {BINFMT}/{entry}; {register.partition(' && ')[2]}".replace(":F'", ":'"), f"{name} has no flag F"),
    )
    for change, why in changes:
        apart.sh(change).ok()
        apart.sh(command(apart.genpack(place, "bash"), why, place.target, entry)).ok()
        assert apart.genpack(place, "bash", "x").ok().stdout.startswith(place.says("/usr/bin/env", "TERM=dumb", "x"))


@pytest.mark.parametrize("place", [I686_TARGET], indirect=True, ids=["i686"])
def test_i686_needs_no_emulation(place: Place) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("only x86_64 processors run i686 programs")
    place.genpack("lower").ok()
    assert place.says("emerge", "--color=n") in place.log
    result = place.genpack("bash", "emerge", "--info").ok()
    assert result.stdout.startswith(place.says("env", "TERM=dumb", "emerge", "--info")), str(result)
    assert "\0FEATURES=" not in result.stdout
