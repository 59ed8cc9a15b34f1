# SPDX-License-Identifier: MIT
"""Circular dependencies: emerge's report, the table, the configuration that is used meanwhile."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PACKAGE, PROGS, Fake
from genpack_progs import circular

REPORT = """
[ebuild  N     ] media-libs/tiff-4.7.0-r1::gentoo  USE="webp" 0 KiB

 * Error: circular dependencies:

(media-libs/tiff-4.7.0-r1:0/0::gentoo, ebuild scheduled for merge) depends on
 (media-libs/libwebp-1.4.0:0/0::gentoo, ebuild scheduled for merge) (buildtime, USE=webp)
  (x11-libs/other-1:0/0::gentoo, ebuild scheduled for merge) (buildtime_slot_op)
   (media-libs/tiff-4.7.0-r1:0/0::gentoo, ebuild scheduled for merge) (buildtime)
"""
COMMAND = ["emerge", "--jobs=2", "--usepkg-exclude=a/b c/d", "--update", "--deep", "--newuse", "--keep-going", "@world"]


def test_members_of_the_report() -> None:
    assert circular.members(REPORT) == ["media-libs/tiff-4.7.0-r1", "media-libs/libwebp-1.4.0", "x11-libs/other-1"]
    assert circular.members(REPORT.replace("circular dependencies", "something else")) == []


def test_table() -> None:
    assert circular.known(circular.members(REPORT)) == {
        "media-libs/tiff-4.7.0-r1": "-webp", "media-libs/libwebp-1.4.0": "-tiff"}
    assert circular.known(["media-libs/tiff-tools-1", "media-libs/libtiff-1", "xmedia-libs/tiff-1"]) == {}


def test_the_man_page_has_the_table() -> None:
    text = (PACKAGE / "man/genpack-progs.8").read_text().replace("\\-", "-")
    listed = re.findall(r"^([a-z]+-[a-z]+/[a-z]+)  +(-.*)$", text, re.MULTILINE)
    assert dict(listed) == dict(circular.TABLE)


def test_the_command_for_the_first_packages() -> None:
    assert circular.first_command(COMMAND, ["a/b-1"]) == [
        "emerge", "--jobs=2", "--usepkg-exclude=a/b c/d", "--oneshot", "=a/b-1"]


@pytest.mark.parametrize("as_file", [False, True])
def test_configuration_has_the_last_word_and_changes_nothing(tmp_path: Path, as_file: bool) -> None:
    theirs = tmp_path / "etc/portage"
    (theirs / "sets").mkdir(parents=True)
    place = theirs / "package.use" / ("" if as_file else "zzz")
    if not as_file:
        place.parent.mkdir()
    place.write_text("a/b x\n")
    before = sorted(tmp_path.rglob("*"))
    with circular.configuration({"a/b-1": "-x"}, tmp_path) as root:
        assert (root / "etc/portage/sets").samefile(theirs / "sets")
        texts = [path.read_text() for path in sorted((root / "etc/portage/package.use").iterdir())]
        assert texts == ["a/b x\n", "=a/b-1 -x\n"]
    assert not root.exists()
    assert sorted(tmp_path.rglob("*")) == before


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(PROGS / "bin/genpack-break-circular-dep"), *argv]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_no_circle(fake: Fake) -> None:
    calls = fake("emerge", "echo all is well")
    done = run(*COMMAND)
    assert (done.returncode, done.stderr) == (0, "Portage reports no circular dependency\n")
    assert calls.read_text().splitlines() == [" ".join([*COMMAND[1:], "--pretend"])]


def test_a_circle_of_unknown_packages_is_an_error(fake: Fake) -> None:
    fake("emerge", "echo 'circular dependencies: (a/b-1:0/0::r, ebuild scheduled for merge)'; exit 1")
    done = run(*COMMAND)
    assert done.returncode == 1
    assert "circular dependency of a/b-1, of which none is known" in done.stderr
    assert "circulardep_breaker" in done.stderr


def test_usage(fake: Fake) -> None:
    assert run("--update").returncode == 2
    assert run().returncode == 2
