# SPDX-License-Identifier: MIT
"""Which package owns which file of the upper layer, and the report that is drawn from it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import lowers
import pytest
from conftest import Run, define
from genpack.errors import GenpackError
from genpack.usage import File, Usage
from genpack.vardb import Database, split
from test_packages import NEW, OLD, make_image, real

from genpack import hashing, records, report, usage

CPVS = ("a/lib-1.0-r1", "a/tool-2.0_p1", "b+c/odd_name-3")


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    top = tmp_path / "upper"
    for name, size in (("usr/lib/lib.so.1", 100), ("usr/lib/with a space", 20), ("usr/bin/tool", 3), ("boot/made", 50)):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(bytes(size))
    (top / "usr/lib/lib.so").symlink_to("lib.so.1")
    os.link(top / "usr/bin/tool", top / "usr/bin/tool2")
    (top / "var/log").mkdir(parents=True)
    (top / "var/log/left-out").write_text("x")
    return top


def test_owners(tmp_path: Path, upper: Path) -> None:
    database = Database(lowers.make(tmp_path / "lower"))
    found = usage.regular_files(upper, ["var/log", "nothing"])
    files = {file.path: file for file in usage.owned(found, CPVS, database)}
    assert {path: (file.size, file.package) for path, file in files.items()} == {
        "boot/made": (50, None),
        "usr/bin/tool": (3, "a/tool-2.0_p1"),
        # The database says /lib/lib.so.1, and /lib is a link.
        "usr/lib/lib.so.1": (100, "a/lib-1.0-r1"),
        "usr/lib/with a space": (20, "a/lib-1.0-r1"),
    }
    used = Usage("ab" * 32, tuple(files.values()))
    usage.save(tmp_path / "usage.json", used)
    assert usage.load(tmp_path / "usage.json") == used
    assert used.total == 173


@pytest.mark.parametrize("content", [None, "", "{}", '{"version": 2}', '{"version":1,"image":"","files":[["a",1,7]]}'])
def test_a_record_that_can_t_be_read(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "usage.json").write_text(content)
    with pytest.raises(GenpackError, match=r"can't read .*usage\.json"):
        usage.load(tmp_path / "usage.json")


def test_links_that_lead_to_links(tmp_path: Path) -> None:
    (tmp_path / "usr/lib64").mkdir(parents=True)
    (tmp_path / "usr/lib").symlink_to("lib64")
    (tmp_path / "lib").symlink_to("/usr/lib")
    lowers.add_package(tmp_path, "a/b-1", {}, contents="obj /lib/x 0 1\nobj /usr/lib/y 0 1\nobj /z 0 1\n")
    assert list(Database(tmp_path).contents("a/b-1")) == ["usr/lib64/x", "usr/lib64/y", "z"]


@pytest.mark.parametrize(
    ("cpv", "expected"),
    [
        ("a/b-1", ("a", "b", "1")),
        ("a-b/c-d-2-1.2.3b_rc1_p2-r3", ("a-b", "c-d-2", "1.2.3b_rc1_p2-r3")),
        ("x11-libs/gtk+-3.24.41", ("x11-libs", "gtk+", "3.24.41")),
        ("media-fonts/font-adobe-100dpi-1.0", ("media-fonts", "font-adobe-100dpi", "1.0")),
    ],
)
def test_names_and_versions(cpv: str, expected: tuple[str, str, str]) -> None:
    assert split(cpv) == expected


def test_no_name() -> None:
    for text in ("b-1", "a/b", "a/b-1-x"):
        with pytest.raises(GenpackError, match="is no package name"):
            split(text)


def sums(box: dict[str, Any]) -> int:
    """A box's bytes; every box holds as much as what is in it."""
    inner = box.get("c")
    assert inner is None or sum(sums(one) for one in inner) == box["s"], box
    size: int = box["s"]
    return size


def test_tree() -> None:
    entries = [(["usr", "lib", "a"], 10_000_000), (["usr", "lib", "b"], 5), (["usr", "lib", "c"], 6), (["x"], 7)]
    found = report.tree(entries)
    assert sums(found) == 10_000_018
    (chain, _) = sorted(found["c"], key=lambda box: -box["s"])  # type: ignore[call-overload]  # it has boxes
    assert chain["n"] == "usr/lib"
    assert {box["n"]: box["s"] for box in chain["c"]} == {"a": 10_000_000, "(2 small)": 11}


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    content: dict[str, Any] = json.loads(found[1])
    return content


def test_a_page_runs_only_its_own_script_and_loads_nothing() -> None:
    page = report.page("x<y", {"evil": "</script><script>alert(1)</script>@STYLE@"})
    assert "<title>x&lt;y</title>" in page
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    for kind, element in (("style", "style"), ("script", "script")):
        found = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
        assert len(found) == 1
        digest = base64.b64encode(hashlib.sha256(found[0].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy[1]
    assert policy[1].startswith("default-src 'none';")
    assert data_of(page) == {"evil": "</script><script>alert(1)</script>@STYLE@"}
    code = page.replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?!#)[\w/]", code) == []
    assert not re.search(r"https?://(?!\\/)\w", code)


@real
@pytest.mark.spawns
def test_command(genpack: Run, tmp_path: Path) -> None:
    folder = define(tmp_path / "x", "{name: 'x'}")
    words = ("-C", folder, "--arch", "x86_64", "report")
    assert "there is no image" in genpack(*words)[2]
    image, old = make_image(folder, "x-x86_64", NEW), make_image(tmp_path, "old", OLD)
    assert "usage.json: " in genpack(*words)[2]
    sha256 = hashing.of_file(image)["sha256"]
    work = folder / "work/x86_64"
    work.mkdir(parents=True)
    files = (File("usr/file", 5, "a/same-1.0"), File(".genpack/packages", len(NEW), None))
    usage.save(work / "usage.json", Usage(sha256, files))
    status, _, err = genpack(*words)
    assert status == 1
    assert "x-x86_64.squashfs is not the image that was last packed in" in err
    about = {"sha256": sha256, "size": image.stat().st_size, "files": 2, "compression": "gzip", "time": 1700000000}
    records.manifest_path(image).write_text(json.dumps({"version": 1, "image": about}))
    status, out, err = genpack(*words, "--diff", "../old.squashfs")
    assert (status, out) == (0, f"{folder}/x-x86_64.report.html\n"), err
    data = data_of((folder / "x-x86_64.report.html").read_text())
    assert data["total"] == 5 + len(NEW)
    assert sums(data["folders"]) == sums(data["owners"]) == data["total"]
    assert {entry["name"]: entry["size"] for entry in data["packages"]}["a/same"] == 5
    assert ["a/newer", "changed", "version: 1.0 -> 1.1-r1"] in data["diff"]["packages"]
    assert data["diff"]["folders"] == [[".genpack", len(OLD), len(NEW)]]
    assert genpack(*words, "-o", tmp_path / "r.html")[1] == f"{tmp_path}/r.html\n"
    assert data_of((tmp_path / "r.html").read_text())["diff"] is None
    assert "is no SquashFS file" in genpack(*words, "--diff", "genpack.json5")[2]
    assert old.is_file()
