# SPDX-License-Identifier: MIT
"""Checks that look at the artifact's other files and at the overlay."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Reading
from genpack.arch import ARCHES
from genpack.errors import UsageError

from genpack import checks


def found(read: Reading, artifact: Path, text: str, overlay: Path | None = None) -> list[str]:
    source, problems = read(text)
    checks.everything(source, problems, artifact, ARCHES["x86_64"], overlay)
    return [line.removeprefix("genpack.json5:") for _, line in sorted(problems.found)]


def test_env_files(read: Reading, artifact: Path) -> None:
    (artifact / "env").mkdir()
    (artifact / "env/there").write_text("")
    text = "{env: {\n'a/b': 'there',\n'c/d': ['there', 'gone']},\nvariants: {v: {env: {'a/b': 'lost'}}}}"
    assert found(read, artifact, text) == [
        "3: env.c/d: there is no file env/gone; make it, or correct the name",
        "4: variants.v.env.a/b: there is no file env/lost; make it, or correct the name",
    ]


def test_build_scripts(read: Reading, artifact: Path) -> None:
    scripts = artifact / "files/build.d"
    (scripts / "user").mkdir(parents=True)
    for name in ("10-a.sh", "20-b.py", "30-c", "40-d", "user/50-e"):
        (scripts / name).write_text("#!/bin/sh\n")
    (scripts / "30-c").chmod(0o755)
    (scripts / "60-f").symlink_to("nowhere")
    (artifact / "files/build").write_text("")
    advice = "make it executable (chmod +x), or name it .sh or .py"
    why = "can't be run: it is not executable, and neither .sh nor .py"
    assert found(read, artifact, "{}") == [
        f"files/build.d/40-d: {why}; {advice}",
        "files/build.d/60-f: is a link to nothing; correct or remove it",
        f"files/build.d/user/50-e: {why}; {advice}",
        f"files/build: {why}; {advice}",
    ]


def test_a_uid_of_two_users_after_the_merge(read: Reading, artifact: Path) -> None:
    text = "{users: [{name: 'a', uid: 5}],\ngroups: [{name: 'g', gid: 5}, {name: 'h', gid: 5}],\n"
    text += "variants: {v: {users: [\n{name: 'b', uid: 5}]}, w: {users: [{name: 'a', uid: 6}]}}}"
    assert found(read, artifact, text) == [
        "2: groups: 'h' has the gid 5 of 'g'; give one of them another gid",
        "4: users: 'b' has the uid 5 of 'a'; give one of them another uid",
    ]


def test_unknown_profile(read: Reading, artifact: Path, overlay: Path) -> None:
    text = "{\nprofile: 'paravrt', variants: {v: {\nprofile: 'gnome'}, w: {profile: 'gnome/baremetal'}}}"
    assert found(read, artifact, text, overlay) == [
        "2: profile: there is no profile 'paravrt'; did you mean 'paravirt'?",
        "3: variants.v.profile: there is no profile 'gnome'; known are: gnome/baremetal, paravirt",
    ]
    assert found(read, artifact, text) == []


def test_variants(read: Reading) -> None:
    source, _ = read("{variants: {a: {}, b: {}}, default_variant: 'b'}")
    assert checks.variant(source, None) == "b"
    assert checks.variant(source, "a") == "a"
    with pytest.raises(UsageError) as caught:
        checks.variant(source, "c")
    assert caught.value.tip == "the definition has: a, b"
