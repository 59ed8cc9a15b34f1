# SPDX-License-Identifier: MIT
"""Programs of another architecture: what binfmt_misc must have, and what a container for them gets."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from conftest import Reading
from genpack.arch import ARCHES
from genpack.errors import GenpackError
from genpack.merge import merge
from genpack.settings import Settings
from genpack.workdir import WorkDir

from genpack import emulation, tree

#: The beginning of programs, and the bits of it that count, as QEMU's own script registers them.
MAGIC = {
    "aarch64": "7f454c460201010000000000000000000200b700",
    "riscv64": "7f454c460201010000000000000000000200f300",
    "i686": "7f454c4601010100000000000000000002000300",
}
MASK = "ffffffffffffff00fffffffffffffffffeffffff"


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An x86_64 host with no emulator on PATH."""
    monkeypatch.setattr(emulation, "host_arch", lambda: "x86_64")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


@pytest.fixture
def registered(tmp_path: Path) -> Path:
    """binfmt_misc, mounted and empty."""
    folder = tmp_path / "binfmt_misc"
    folder.mkdir()
    (folder / "register").touch()
    (folder / "status").write_text("enabled\n")
    return folder


def entry(
    arch: str, *, state: str = "enabled", flags: str = "OCF", magic: str = "", mask: str = MASK, at: int = 0
) -> str:
    """What the kernel shows."""
    lines = [state, f"interpreter /usr/bin/qemu-{arch}-static", f"flags: {flags}", f"offset {at}"]
    return "\n".join([*lines, f"magic {magic or MAGIC[arch]}", *([f"mask {mask}"] if mask else [])]) + "\n"


def command(arch: str, qemu: str, program: str, folder: Path) -> str:
    magic, mask = ("".join(f"\\x{each[at : at + 2]}" for at in range(0, 40, 2)) for each in (MAGIC[arch], MASK))
    return f"printf %s ':qemu-{qemu}:M::{magic}:{mask}:{program}:F' > {folder}/register"


def refused(arch: str, folder: Path) -> tuple[str, str]:
    """The message behind the colon, and the tip."""
    with pytest.raises(GenpackError) as caught:
        emulation.require(ARCHES[arch], folder)
    what, _, why = caught.value.message.partition(": ")
    assert what == f"this machine can't run {arch} programs"
    return why, str(caught.value.tip)


def program(path: Path, *kinds: int) -> str:
    """A 64-bit ELF program with program headers of these kinds."""
    path.parent.mkdir(exist_ok=True)
    header = b"\x7fELF\x02\x01\x01" + bytes(25) + struct.pack("<Q", 64) + bytes(14) + struct.pack("<HH", 56, len(kinds))
    path.write_bytes(header.ljust(64, b"\0") + b"".join(struct.pack("<I", kind).ljust(56, b"\0") for kind in kinds))
    path.chmod(0o755)
    return str(path)


def test_what_the_processor_runs_needs_no_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("x86_64", "i686"):
        emulation.require(ARCHES[name], tmp_path / "none")
    assert emulation.personality(ARCHES["i686"]) == "x86"
    assert emulation.personality(ARCHES["x86_64"]) is None
    monkeypatch.setattr(emulation, "host_arch", lambda: "aarch64")
    emulation.require(ARCHES["aarch64"], tmp_path / "none")
    assert emulation.personality(ARCHES["i686"]) is None
    assert refused("i686", tmp_path / "none")[0] == "the kernel has no binfmt_misc"


def test_no_kernel_support_and_not_mounted(tmp_path: Path, registered: Path) -> None:
    why, tip = refused("aarch64", tmp_path / "none")
    assert why == "the kernel has no binfmt_misc"
    assert tip == "run: modprobe binfmt_misc; or use a kernel with CONFIG_BINFMT_MISC"
    (registered / "register").unlink()
    (registered / "status").unlink()
    static = program(tmp_path / "bin/qemu-aarch64-static", 1)
    why, tip = refused("aarch64", registered)
    assert why == "binfmt_misc is not mounted"
    register = command("aarch64", "aarch64", static, registered)
    assert tip == f"run: mount -t binfmt_misc binfmt_misc {registered} && {register}"


@pytest.mark.parametrize(("arch", "qemu"), [("aarch64", "aarch64"), ("riscv64", "riscv64"), ("i686", "i386")])
def test_no_entry(arch: str, qemu: str, tmp_path: Path, registered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if arch == "i686":
        monkeypatch.setattr(emulation, "host_arch", lambda: "aarch64")
    (registered / "jar").write_text("enabled\ninterpreter /usr/bin/jexec\nflags: F\nextension .jar\n")
    (registered / "qemu-arm").write_text(entry("arm", magic="7f454c4601010100000000000000000002002800"))
    # Only those programs that are not position-independent; and an entry that looks further on.
    (registered / "half").write_text(entry(arch, mask=MASK.replace("fe", "ff")))
    (registered / "late").write_text(entry(arch, at=1))
    why, tip = refused(arch, registered)
    assert why == "binfmt_misc has no entry for them"
    register = command(arch, qemu, f"/usr/bin/qemu-{qemu}-static", registered)
    install = "install QEMU's user emulation, linked statically ('apt install qemu-user-static' on Debian), then "
    assert tip == f"{install}run: {register}"
    # A dynamically linked QEMU would not start in the container.
    program(tmp_path / f"bin/qemu-{qemu}-static", 6, 3, 1)
    assert refused(arch, registered)[1] == tip
    static = program(tmp_path / f"bin/qemu-{qemu}", 6, 1)
    assert refused(arch, registered)[1] == f"run: {command(arch, qemu, static, registered)}"


def test_entries_that_are_disabled(registered: Path) -> None:
    (registered / "any-name").write_text(entry("riscv64", state="disabled"))
    (registered / "qemu-aarch64").write_text(entry("aarch64"))
    why, tip = refused("riscv64", registered)
    assert why == "the entry any-name of binfmt_misc is disabled"
    assert tip == f"run: echo 1 > {registered}/any-name"
    (registered / "other").write_text(entry("riscv64"))
    emulation.require(ARCHES["riscv64"], registered)
    (registered / "status").write_text("disabled\n")
    assert refused("riscv64", registered) == ("binfmt_misc is disabled", f"run: echo 1 > {registered}/status")


@pytest.mark.parametrize("state", ["enabled", "disabled"])
def test_no_flag_f(state: str, tmp_path: Path, registered: Path) -> None:
    static = program(tmp_path / "bin/qemu-aarch64-static")
    (registered / "arm64").write_text(entry("aarch64", flags="OC", state=state))
    why, tip = refused("aarch64", registered)
    place = "/usr/bin/qemu-aarch64-static"
    assert why == f"the entry arm64 of binfmt_misc has no flag F, so a container does not find {place}"
    assert tip == f"run: echo -1 > {registered}/arm64 && {command('aarch64', 'aarch64', static, registered)}"
    # Beside a good one it may be the one that the kernel takes, unless it is disabled.
    (registered / "good").write_text(entry("aarch64"))
    if state == "enabled":
        assert refused("aarch64", registered) == (why, tip)
    else:
        emulation.require(ARCHES["aarch64"], registered)


@pytest.mark.parametrize("flags", ["F", "OCF", "POCF"])
def test_good_entries(flags: str, registered: Path) -> None:
    (registered / "a").write_text(entry("aarch64", flags=flags))
    emulation.require(ARCHES["aarch64"], registered)
    # Without a mask every bit of the magic counts; here it ends before what differs.
    (registered / "a").write_text(entry("aarch64", magic=MAGIC["aarch64"][:14], mask=""))
    emulation.require(ARCHES["aarch64"], registered)


@pytest.mark.parametrize(("arch", "features", "personality"), [
    ("x86_64", None, None), ("i686", None, "x86"), ("aarch64", "-pid-sandbox", None), ("riscv64", "-pid-sandbox", None),
])  # fmt: skip
def test_container(arch: str, features: str | None, personality: str | None, read: Reading, tmp_path: Path) -> None:
    merged = merge(read("{name: 'a'}")[0], arch, None, "a")
    chosen = Settings(
        directory=tmp_path, arch=ARCHES[arch], variant=None, compression=None, devel=False, overlay_override=None,
        mirrors=(), keyring=None, verify=True, work_root=tmp_path / "work", output_dir=None, cache=tmp_path / "cache",
    )  # fmt: skip
    work = WorkDir(tmp_path / "work", arch, None)
    box = tree.for_tree(work.lower, chosen, merged, work, [], {"A": "b"})
    assert (box.env.get("FEATURES"), box.personality) == (features, personality)
    assert box.env["A"] == "b"
    assert box.root == tmp_path / "work" / arch / "lower"
    assert (tmp_path / "cache/binpkgs" / arch, "/var/cache/binpkgs") in box.writable
