# SPDX-License-Identifier: MIT
"""`genpack packages`: reading /.genpack/packages of real images, and comparing them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Run, define
from genpack.errors import UsageError

from genpack import image, packages

SAMPLE = Path(__file__).resolve().parents[2] / "ci/formats/squashfs"
OLD = """\
a/same-1.0[0]
# USE: x

a/newer-1.0[0]
# LICENSE: MIT

a/flags-1[0]
# USE: one two
# LICENSE: MIT

a/gone-1[0]

a/moved-1[1]

a/slots-1[1]

a/slots-2[2]

"""
NEW = """\
a/same-1.0[0]
# USE: x

a/newer-1.1-r1[0]
# LICENSE: MIT

a/flags-1[0]
# USE: two three
# LICENSE: GPL-2

a/came-0.1[0]

a/moved-2[2]

a/slots-2[2]

a/slots-3[3]

"""
real = pytest.mark.skipif(shutil.which("mksquashfs") is None, reason="mksquashfs is not installed")


def make_image(folder: Path, name: str, text: str | None) -> Path:
    tree = folder / f"{name}.tree"
    (tree / ".genpack").mkdir(parents=True)
    (tree / "usr").mkdir()
    (tree / "usr/file").write_text("12345")
    if text is not None:
        (tree / ".genpack/packages").write_text(text)
    path = folder / f"{name}.squashfs"
    subprocess.run(["mksquashfs", tree, path, "-quiet", "-no-progress"], check=True, capture_output=True)
    return path


def test_the_sample_is_read_as_its_data_say() -> None:
    expected = json.loads((SAMPLE / "packages.json").read_text())["packages"]
    found = image.parse((SAMPLE / "tree/.genpack/packages").read_text(), "sample")
    assert [
        {
            "name": p.name,
            "slot": p.slot,
            "needed_by": list(p.needed_by),
            "description": p.description or None,
            "use": " ".join(p.use) or None,
            "homepage": p.homepage or None,
            "license": p.license or None,
        }
        for p in found
    ] == sorted(expected, key=lambda entry: entry["name"])


def test_damaged() -> None:
    with pytest.raises(UsageError, match="is damaged: 'nonsense' is no package"):
        image.parse("nonsense\n\n", "x")


def test_compare() -> None:
    changes = packages.compare(image.parse(OLD, "old"), image.parse(NEW, "new"))
    assert [(c.package, c.kind, c.what if c.kind == "changed" else ()) for c in changes] == [
        ("a/came", "added", ()),
        ("a/flags", "changed", ("use", "license")),
        ("a/gone", "removed", ()),
        ("a/moved", "changed", ("version", "slot")),
        ("a/newer", "changed", ("version",)),
        ("a/slots", "removed", ()),
        ("a/slots", "added", ()),
    ]
    lines = [line.split() for line in packages.table(changes).splitlines()]
    assert ["added", "a/came", "0.1"] in lines
    assert ["removed", "a/gone", "1"] in lines
    assert ["changed", "a/newer", "version:", "1.0", "->", "1.1-r1"] in lines
    assert ["changed", "a/flags", "use:", "+three", "-one"] in lines
    assert ["changed", "a/flags", "license:", "MIT", "->", "GPL-2"] in lines
    assert packages.compare(image.parse(OLD, "old"), image.parse(OLD, "old")) == []


@real
@pytest.mark.spawns
def test_command(genpack: Run, tmp_path: Path) -> None:
    old, new = make_image(tmp_path, "old", OLD), make_image(tmp_path, "new", NEW)
    status, out, _ = genpack("packages", old)
    assert status == 0
    assert out.splitlines()[0].split() == ["PACKAGE", "SLOT", "LICENSE", "USE"]
    assert ["a/flags-1", "0", "MIT", "one", "two"] in [line.split() for line in out.splitlines()]
    listed = json.loads(genpack("packages", "--json", old)[1])
    assert (listed["version"], listed["image"], len(listed["packages"])) == (1, "old.squashfs", 7)
    assert listed["packages"][0]["name"] == "a/flags"
    assert genpack("packages", "--diff", old, old)[1] == "no package differs\n"
    assert "a/came" in genpack("packages", "--diff", "old.squashfs", "new.squashfs")[1]
    differs = json.loads(genpack("packages", "--json", "--diff", old, new)[1])
    assert differs["changed"][0] == {
        "package": "a/flags",
        "use": {"old": ["one", "two"], "new": ["three", "two"]},
        "license": {"old": "MIT", "new": "GPL-2"},
    }
    assert [entry["name"] for entry in differs["removed"]] == ["a/gone", "a/slots"]


@real
@pytest.mark.spawns
def test_the_artifact_s_own_image(genpack: Run, tmp_path: Path) -> None:
    folder = define(tmp_path / "x", "{name: 'x', variants: {v: {}}}")
    make_image(folder, "x-v-x86_64", NEW)
    assert "a/came-0.1" in genpack("-C", folder, "--arch", "x86_64", "--variant", "v", "packages")[1]
    status, _, err = genpack("-C", folder, "--arch", "x86_64", "packages")
    assert status == 2
    assert f"there is no image {folder}/x-x86_64.squashfs" in err


@real
@pytest.mark.spawns
def test_what_is_no_image(genpack: Run, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x" * 200)
    plain = make_image(tmp_path, "plain", None)
    (tmp_path / "cut").write_bytes(plain.read_bytes()[:150])
    for name, said in (
        ("text", "is no SquashFS file"),
        ("cut", "is truncated"),
        ("nowhere", "there is no image"),
        ("plain.squashfs", "is no image of genpack's"),
    ):
        for words in ((name,), ("--diff", name, plain)):
            status, out, err = genpack("packages", *words)
            assert (status, out) == (2, ""), err
            errors = [line for line in err.splitlines() if line.startswith("genpack: error: ")]
            assert len(errors) == 1
            if len(words) == 1:
                assert said in errors[0]


@real
@pytest.mark.spawns
def test_sizes(tmp_path: Path) -> None:
    assert image.sizes(make_image(tmp_path, "x", "a/b-1[0]\n\n")) == {"usr/file": 5, ".genpack/packages": 10}
