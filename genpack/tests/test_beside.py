# SPDX-License-Identifier: MIT
"""What is made beside an image: the bootable FAT image, the manifest (against the sample), the sums."""

from __future__ import annotations

import dataclasses
import filecmp
import hashlib
import io
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import lowers
import pytest
from genpack.errors import GenpackError, StepError
from genpack.inputs import Input, Inputs
from genpack.log import Log
from genpack.model import Compression, Definition
from genpack.pack import Pack
from genpack.steps import Steps
from genpack.workdir import WorkDir

from genpack import beside, merge, plan, records, superfloppy

SAMPLE = Path(__file__).resolve().parents[2] / "ci/formats/manifest/toy-x86_64.manifest.json"
LOADERS = {"bootx64.efi": b"x" * 5000, "BOOTIA32.EFI": b"i" * 9}
programs = pytest.mark.skipif(
    not all(map(shutil.which, superfloppy.PROGRAMS)), reason="mkfs.fat or mtools are not installed"
)
packs = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mksquashfs") is None, reason="needs root (to drop a capability) and mksquashfs"
)


@pytest.fixture
def work(tmp_path: Path) -> WorkDir:
    """A work folder with a lower layer and an upper one."""
    work = WorkDir(tmp_path / "work", "x86_64", None)
    lowers.make(work.lower)
    for name, text in ((".genpack/packages", lowers.PACKAGES), ("usr/bin/tool", "tool"), ("usr/lib/lib.so.1", "lib")):
        (work.upper / name).parent.mkdir(parents=True, exist_ok=True)
        (work.upper / name).write_text(text)
    return work


@pytest.fixture
def upper(work: WorkDir) -> Path:
    """The upper layer, with loaders."""
    folder = work.upper / superfloppy.FOLDER
    folder.mkdir(parents=True)
    for name, content in LOADERS.items():
        (folder / name).write_bytes(content)
    (folder / "core.img").write_bytes(b"no loader")
    return work.upper


def steps(folder: Path) -> Steps:
    folder.mkdir(parents=True, exist_ok=True)
    return Steps("pack", folder / "log", Log(io.StringIO()))


def fat(image: Path, command: str, *words: str) -> bytes:
    env = {**os.environ, "TZ": "UTC"}
    return subprocess.run([command, "-i", image, *words], check=True, capture_output=True, env=env).stdout


def test_loaders(work: WorkDir) -> None:
    assert superfloppy.loaders(work.upper) == []
    folder = work.upper / superfloppy.FOLDER
    folder.mkdir(parents=True)
    for name in ("bootx64.efi", "bootriscv64.efi", "grub.cfg", "bootx64.efi.sig", "eltorito-efi.img"):
        (folder / name).write_text("")
    (folder / "bootaa64.efi").symlink_to("bootx64.efi")
    (folder / "bootia32.efi").mkdir()
    assert [path.name for path in superfloppy.loaders(work.upper)] == ["bootriscv64.efi", "bootx64.efi"]


def test_an_image_that_is_too_large_has_none(upper: Path, tmp_path: Path) -> None:
    image = tmp_path / "x.squashfs"
    for size, wanted in (((4 << 30) - 1, True), (4 << 30, False)):
        with image.open("wb") as file:
            file.truncate(size)  # sparse
        assert superfloppy.wanted(upper, image) is wanted


@pytest.mark.parametrize("content", [0, 1, 100 << 20, 1 << 30, (4 << 30) - 1])
def test_size(content: int) -> None:
    size = superfloppy.size(content)
    clusters = size // superfloppy.CLUSTER
    assert size % (1 << 20) == 0
    assert clusters > 65_525 + 2 * 4 * clusters // superfloppy.CLUSTER  # else it is no FAT32
    assert size - 2 * 4 * clusters - content > 8 << 20
    assert size < max(content * 1.02 + (32 << 20), 300 << 20)


@programs
@pytest.mark.spawns
def test_content_and_the_same_bytes(upper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for number, zone in enumerate(("UTC", "Asia/Tokyo")):
        monkeypatch.setenv("TZ", zone)
        image = tmp_path / f"out{number}" / "x-x86_64.squashfs"
        image.parent.mkdir()
        image.write_bytes(b"image" * 100_000)
        with steps(tmp_path / f"log{number}") as log:
            made.append(superfloppy.make(log, upper, image, "12ab34cd" + "0" * 56, lowers.EPOCH))
        if not number:
            time.sleep(2.1)  # FAT counts in steps of two seconds
    assert [path.name for path in made] == ["x-x86_64.img"] * 2
    assert filecmp.cmp(made[0], made[1], shallow=False)
    assert set(fat(made[0], "mdir", "-b", "-/", "::").decode().split()) == {
        "::/EFI/", "::/EFI/BOOT/", "::/EFI/BOOT/BOOTIA32.EFI", "::/EFI/BOOT/BOOTX64.EFI", "::/system.img",
    }  # fmt: skip
    for name, content in (*LOADERS.items(), ("", b"image" * 100_000)):
        place = f"::/EFI/BOOT/{name.upper()}" if name else "::/system.img"
        assert fat(made[0], "mtype", place) == content
    listing = fat(made[0], "mdir", "::").decode()
    assert "Volume Serial Number is 12AB-34CD" in listing
    assert listing.count("2023-11-14  22:13") == 2
    boot = made[0].read_bytes()[:90]
    assert boot[82:90] == b"FAT32   "
    assert sorted(path.name for path in made[0].parent.iterdir()) == ["x-x86_64.img", "x-x86_64.squashfs"]


@programs
@pytest.mark.spawns
def test_failures_leave_nothing(upper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tmp_path / "out/x.squashfs"
    image.parent.mkdir()
    image.write_bytes(b"image")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/mcopy").write_text("#!/bin/sh\necho no room >&2\nexit 1\n")
    (tmp_path / "bin/mcopy").chmod(0o755)
    with steps(tmp_path) as log:
        (upper / superfloppy.FOLDER / "BOOTX64.EFI").write_text("")
        with pytest.raises(GenpackError, match="the same loader twice"):
            superfloppy.make(log, upper, image, "0" * 64, 0)
        (upper / superfloppy.FOLDER / "BOOTX64.EFI").unlink()
        with monkeypatch.context() as patched:
            patched.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
            with log.step("x"), pytest.raises(StepError, match="mcopy exited with status 1") as caught:
                superfloppy.make(log, upper, image, "0" * 64, 0)
        assert caught.value.tail == ["no room"]
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(GenpackError, match=r"mkfs\.fat is needed to make a bootable FAT image"):
            superfloppy.make(log, upper, image, "0" * 64, 0)
    assert [path.name for path in image.parent.iterdir()] == ["x.squashfs"]


def inputs() -> Inputs:
    def one(name: str, size: int) -> Input:
        return Input(name, "/mirror", Path("/mirror") / name, size, hashlib.sha256(name.encode()).hexdigest(), ())

    stamp = "20231114T000000Z"
    stage3 = f"releases/amd64/autobuilds/{stamp}/stage3-amd64-systemd-{stamp}.tar.xz"
    return Inputs(one(stage3, 1000), one("snapshots/gentoo-20231114.tar.xz", 200))


def definition() -> Definition:
    from genpack.model import Layer, Source

    source = Source(Layer(name="toy", profile="toy", profile_given=True), (), {}, None, (), ())
    return merge.merge(source, "x86_64", None, "toy")


def plans(merged: Definition) -> dict[str, plan.PhasePlan]:
    pins = plan.Pins("s", "n", "o", dict.fromkeys(("savedconfig", "patches", "env", "kernel", "overlay", "files"), ""))
    return plan.plan(merged, pins, Compression(), merged.outfile)


@packs
@programs
@pytest.mark.spawns
def test_everything_beside_an_image(work: WorkDir, upper: Path, tmp_path: Path) -> None:
    image = tmp_path / "images" / "toy-x86_64.squashfs"
    merged = definition()
    packed = Pack(upper, image, Compression(), lowers.EPOCH)
    (upper / "var/log").mkdir(parents=True)
    (upper / "var/log/x.log").write_text("not in the image")

    def make() -> None:
        with steps(tmp_path / "logs") as log:
            left = packed.run(log)
            beside.make(log, packed, left, work, merged, inputs(), "cd" * 32, plans(merged))

    make()
    names = ["SHA256SUMS", *(f"toy-x86_64.{kind}" for kind in ("img", "manifest.json", "spdx.json", "squashfs"))]
    assert sorted(path.name for path in image.parent.iterdir()) == names
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=image.parent, check=True)
    summed = [line.split()[1] for line in (image.parent / "SHA256SUMS").read_text().splitlines()]
    assert summed == names[1:]
    manifest = json.loads(records.manifest_path(image).read_text())
    assert manifest["image"]["sha256"] == hashlib.sha256(image.read_bytes()).hexdigest()
    assert manifest["image"]["compression"] == "gzip"  # GRUB reads no zstd
    assert (manifest["image"]["packages"], manifest["image"]["files"]) == (3, 6)
    assert manifest["image"]["content"] == len(lowers.PACKAGES) + 7 + 5000 + 9 + 9
    assert manifest["inputs"]["snapshot"]["commit"] == lowers.COMMIT
    assert [entry["file"] for entry in manifest["beside"]] == ["toy-x86_64.img", "toy-x86_64.spdx.json"]
    for path in image.parent.iterdir():
        assert beside.missing(image, work) is None
        moved = path.rename(tmp_path / path.name)
        if path != image:
            assert beside.missing(image, work) == path
        moved.rename(path)
    # An image without loaders has none, and an old one goes; so does what a killed run left.
    for name in names:
        (image.parent / f".{name}.123.tmp").write_text("half")
    shutil.rmtree(upper / superfloppy.FOLDER)
    make()
    assert sorted(path.name for path in image.parent.iterdir()) == [name for name in names if "img" not in name]
    assert beside.missing(image, work) is None


def test_the_manifest_is_as_the_sample_has_it(tmp_path: Path) -> None:
    image = tmp_path / "toy-x86_64.squashfs"
    image.write_bytes(bytes(4096))
    (tmp_path / "toy-x86_64.spdx.json").write_bytes(b"{}\n")
    made = records.Made(image, "ab" * 32, "zstd:15", 3, 5, 4321, lowers.COMMIT, lowers.EPOCH)
    others = {tmp_path / "toy-x86_64.spdx.json": "ef" * 32}
    merged = definition()
    content = records.manifest(made, merged, inputs(), "cd" * 32, plans(merged), others)
    content["keys"] = {phase: hashlib.sha256(phase.encode()).hexdigest() for phase in plans(merged)}
    content["genpack"] = "0.1.0"
    records.write(image, "ab" * 32, content, others)
    assert (tmp_path / "toy-x86_64.manifest.json").read_text() == SAMPLE.read_text()
    assert records.load_manifest(image) == content
    (tmp_path / "toy-x86_64.manifest.json").write_text('{"version": 2}')
    assert records.load_manifest(image) == {}


def test_keys_do_not_depend_on_the_output_folder() -> None:
    merged = definition()
    assert "/" not in merged.outfile
    assert plans(merged)["pack"].key != plans(dataclasses.replace(merged, outfile="y.squashfs"))["pack"].key
