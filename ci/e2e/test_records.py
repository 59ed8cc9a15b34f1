# SPDX-License-Identifier: MIT
"""What lies beside a real image, and the commands that read it; they follow test_build.py in the toy's workspace."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import squashfs
from harness.commands import run
from harness.toy import Workspace

LOADER = b"MZ" + bytes(range(256)) * 40


@pytest.fixture(scope="module")
def built(toy: Workspace) -> Iterator[Workspace]:
    toy.define()
    toy.genpack("build").ok()
    yield toy
    toy.define()


def beside(toy: Workspace, kind: str) -> Path:
    return toy.image.with_name(f"toy-x86_64.{kind}")


def load(path: Path) -> Any:
    return json.loads(path.read_text())


def test_sbom(built: Workspace) -> None:
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    path = beside(built, "spdx.json")
    assert validate_full_spdx_document(parse_file(str(path))) == []
    document = load(path)
    packages = {package["name"]: package for package in document["packages"]}
    listed = squashfs.cat(built.image, ".genpack/packages")
    names = {line.partition("[")[0] for line in listed.splitlines() if line and not line.startswith("#")}
    assert {f"{p['name']}-{p['versionInfo']}" for p in packages.values() if "versionInfo" in p} == names
    digest = hashlib.sha256(built.image.read_bytes()).hexdigest()
    assert packages["toy-x86_64"]["checksums"] == [{"algorithm": "SHA256", "checksumValue": digest}]
    # The archive that it was compiled from, with the hashes of the Manifest.
    archive = (built.mirror.folder / "distfiles/toy-1.0.tar.gz").read_bytes()
    sums = {entry["algorithm"]: entry["checksumValue"] for entry in packages["toy-1.0.tar.gz"]["checksums"]}
    assert sums == {
        "SHA512": hashlib.sha512(archive).hexdigest(),
        "BLAKE2b-512": hashlib.blake2b(archive).hexdigest(),
    }
    toy = packages["app-misc/toy"]
    assert toy["licenseDeclared"] == "MIT"
    assert toy["downloadLocation"].endswith("/toy-1.0.tar.gz")
    relation = {"spdxElementId": toy["SPDXID"], "relationshipType": "GENERATED_FROM"}
    assert {**relation, "relatedSpdxElement": packages["toy-1.0.tar.gz"]["SPDXID"]} in document["relationships"]
    epoch = squashfs.cat(built.image, ".genpack/timestamp.commit").split()[2]
    assert document["creationInfo"]["created"] == epoch.replace("+00:00", "Z")


def test_manifest_and_sums(built: Workspace) -> None:
    manifest = load(beside(built, "manifest.json"))
    assert manifest["image"]["sha256"] == hashlib.sha256(built.image.read_bytes()).hexdigest()
    assert manifest["image"]["size"] == built.image.stat().st_size
    commit, epoch, _ = squashfs.cat(built.image, ".genpack/timestamp.commit").split()
    assert (manifest["inputs"]["snapshot"]["commit"], manifest["image"]["time"]) == (commit, int(epoch))
    stage3 = built.mirror.folder / manifest["inputs"]["stage3"]["path"]
    assert manifest["inputs"]["stage3"]["size"] == stage3.stat().st_size
    regular = [entry for entry in squashfs.listing(built.image).values() if entry.mode.startswith("-")]
    assert manifest["image"]["files"] == len(regular)
    run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=built.images).ok()
    assert beside(built, "spdx.json").name in (built.images / "SHA256SUMS").read_text()
    # A file that is gone is made again.
    beside(built, "spdx.json").unlink()
    said = built.genpack("build").ok().stderr
    assert "toy-x86_64.spdx.json is missing" in said
    run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=built.images).ok()


def test_bootable_fat_image(built: Workspace, tmp_path: Path) -> None:
    loader = built.write("usr/lib/genpack-install/bootx64.efi", "")
    loader.write_bytes(LOADER)
    try:
        built.genpack("build").ok()
        floppy = beside(built, "img")
        (tmp_path / "mtoolsrc").write_text(f'drive x: file="{floppy}"\n')
        env = {"MTOOLSRC": str(tmp_path / "mtoolsrc"), "TZ": "UTC"}
        found = run("mdir", "-b", "-/", "x:", env=env).ok().stdout.split()
        assert set(found) == {"X:/EFI/", "X:/EFI/BOOT/", "X:/EFI/BOOT/BOOTX64.EFI", "X:/system.img"}
        run("mcopy", "x:/system.img", "x:/EFI/BOOT/BOOTX64.EFI", tmp_path, env=env).ok()
        assert (tmp_path / "system.img").read_bytes() == built.image.read_bytes()
        assert (tmp_path / "BOOTX64.EFI").read_bytes() == LOADER
        manifest = load(beside(built, "manifest.json"))
        assert manifest["image"]["compression"] == "gzip"  # GRUB reads it
        assert [entry["file"] for entry in manifest["beside"]] == ["toy-x86_64.img", "toy-x86_64.spdx.json"]
        run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=built.images).ok()
        said = built.genpack("build", "--compression", "zstd").ok().stderr
        assert "warning: GRUB can't read zstd: a machine that boots this image by GRUB will not start" in said
    finally:
        loader.unlink()
        for folder in list(loader.parents)[:3]:
            folder.rmdir()
    built.genpack("build").ok()
    assert not floppy.exists()
    assert load(beside(built, "manifest.json"))["image"]["compression"] == "zstd"


def test_packages(built: Workspace) -> None:
    listed = built.genpack("packages").ok().stdout
    assert [line.split()[:3] for line in listed.splitlines() if line.startswith("app-misc/toy")] == [
        ["app-misc/toy-1.0", "0", "MIT"]
    ]
    assert json.loads(built.genpack("packages", "--json").ok().stdout)["packages"]
    said = run("genpack", "packages", "--diff", built.image, built.image).ok().stdout
    assert said == "no package differs\n"


def test_a_build_from_the_archive_is_the_same_build(built: Workspace, tmp_path: Path) -> None:
    archive = Path(built.genpack("archive", "-o", str(tmp_path / "a.tar.gz")).ok().stdout.strip())
    run("tar", "--directory", tmp_path, "--extract", "--file", archive).ok()
    copy = tmp_path / "genpack-toy"
    places = ("--work-dir", built.work, "--output-dir", built.images)
    said = run("genpack", "-C", copy, *built.mirror.options(), *places, "build", env=built.env).ok().stderr
    for phase in ("lower", "upper", "pack"):
        assert f"{phase}: skipped" in said, said
