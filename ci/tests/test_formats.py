# SPDX-License-Identifier: MIT
"""The golden samples agree with themselves, with their README, and with each other; both ends of each are tested."""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path

import pytest

FORMATS = Path(__file__).resolve().parents[1] / "formats"
REPO = FORMATS.parents[1]
TREE = FORMATS / "squashfs" / "tree"
INI_FILES = sorted((FORMATS / "system.ini").glob("*.ini"))


def test_image_tree() -> None:
    assert {p.name for p in (TREE / ".genpack").iterdir()} == {
        "arch", "profile", "artifact", "variant", "timestamp.commit", "packages",
    }  # fmt: skip
    assert (TREE / ".genpack" / "arch").read_text() in {"x86_64", "i686", "aarch64", "riscv64"}
    commit, epoch, iso = (TREE / ".genpack" / "timestamp.commit").read_text().split()
    assert re.fullmatch(r"[0-9a-f]{40}", commit)
    assert epoch.isdigit()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", iso)
    for name in ("kernel", "initramfs"):
        link = TREE / "boot" / name
        assert link.is_symlink()
        assert "/" not in str(link.readlink())
        assert link.is_file()


def test_packages_file_and_its_data_say_the_same() -> None:
    data = json.loads((FORMATS / "squashfs" / "packages.json").read_text())
    assert data["version"] == 1
    entries = (TREE / ".genpack" / "packages").read_text().split("\n\n")
    assert entries.pop() == ""
    read: list[dict[str, object]] = []
    for entry in entries:
        first, *rest = entry.split("\n")
        match = re.fullmatch(r"([\w+-]+/\S+-\d\S*)\[(\S+)\]", first)
        assert match, first
        assert all(re.fullmatch(r"# [A-Z_]+: .+", line) for line in rest), entry
        fields = dict(line.removeprefix("# ").split(": ", 1) for line in rest)
        assert list(fields) == [k for k in ("NEEDED_BY", "DESCRIPTION", "USE", "HOMEPAGE", "LICENSE") if k in fields]
        texts = {k: fields.get(k.upper()) for k in ("description", "use", "homepage", "license")}
        read.append({"name": match[1], "slot": match[2], "needed_by": fields["NEEDED_BY"].split(), **texts})
    assert read == data["packages"]
    # Somebody in the image, or a set, needs each.
    names = {p["name"] for p in data["packages"]}
    assert all(n.startswith("@") or n in names for p in data["packages"] for n in p["needed_by"])


@pytest.mark.parametrize("path", INI_FILES, ids=lambda p: p.stem)
def test_ini_sample_has_expectations_that_plain_configparser_does_not_contradict(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text())
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252")
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    if path.stem == "broken-line":
        with pytest.raises(configparser.ParsingError):
            parser.read_string("[_default]\n" + text)
        return
    parser.read_string("[_default]\n" + text)
    assert {s: list(parser[s]) for s in parser.sections()} == {s: list(v) for s, v in expected.items()}
    if path.stem != "percent":
        assert {s: dict(parser[s]) for s in parser.sections()} == expected


def test_what_the_ini_samples_are_there_for() -> None:
    raw = {p.stem: p.read_bytes() for p in INI_FILES}
    assert raw["bom-crlf"].startswith(b"\xef\xbb\xbf")
    assert raw["bom-crlf"].count(b"\r\n") == raw["bom-crlf"].count(b"\n") > 3
    with pytest.raises(UnicodeDecodeError):
        raw["cp1252"].decode("utf-8")
    assert b"%%" in raw["percent"]
    assert raw["no-section"][-1:] != b"\n"


def test_fw_cfg_names() -> None:
    data = json.loads((FORMATS / "fw_cfg" / "names.json").read_text())
    assert data["version"] == 1
    for name, meaning in data["names"].items():
        assert name.startswith("opt/")
        assert len(name) <= 55  # QEMU's FW_CFG_MAX_FILE_PATH is 56 with the final zero
        assert meaning


def readers(sample: str) -> set[str]:
    """Packages whose tests name ci/formats and the path of `sample` in it, a word of a path at a time."""
    found = set()
    for package in {p.parent.parent for p in REPO.glob("*/tests/*.py")}:
        text = "\n".join(p.read_text() for p in package.glob("tests/**/*.py"))
        words = set(re.findall(r"[\w.-]+", " ".join(re.findall(r"\"[^\"\n]*\"", text))))
        if {"formats", *sample.split("/")} <= words:
            found.add(package.name)
    return found


@pytest.mark.parametrize(
    ("sample", "packages"),
    [
        ("squashfs/tree", {"genpack-overlay", "vm"}),
        ("squashfs/packages.json", {"genpack-overlay"}),
        ("manifest", {"genpack"}),
        ("plan/toy-x86_64.plan.json", {"genpack"}),
        ("events/build.jsonl", {"genpack"}),
        ("system.ini", {"genpack-init"}),
        ("genpack-init/state.json", {"genpack-init"}),
        ("genpack-init/system_ini.json", {"genpack-init"}),
        ("fw_cfg/names.json", {"vm"}),
        ("genpack-artifacts/list.json", {"genpack-artifacts"}),
        ("genpack-artifacts/matrix.json", {"genpack-artifacts"}),
    ],
)
def test_both_ends_have_a_test_that_reads_the_sample(sample: str, packages: set[str]) -> None:
    assert packages - readers(sample) == set()


def test_readme_names_every_sample() -> None:
    readme = (FORMATS / "README.md").read_text()
    for path in sorted(FORMATS.iterdir()):
        if path.is_dir():
            assert f"`{path.name}/" in readme, path.name
    for path in INI_FILES:
        assert f"`{path.stem}`" in readme, path.name
