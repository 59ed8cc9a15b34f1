# SPDX-License-Identifier: MIT
"""Names of images after an update, finished or cut off: what the initramfs makes of them before it mounts one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from conftest import DRACUT

#: Images by name, variables of grubenv (None: there is none), the name booted; then the name mounted, and the images.
CASES = {
    "an update was finished": ({"img": "N", "cur": "A", "old": "O"}, "tries=2", "img", "img", {"img": "N", "old": "A"}),
    "the current image failed before the initramfs": (
        {"img": "N", "cur": "A"}, "tries=0", "cur", "old", {"img": "N", "old": "A"}),
    "the previous one again": ({"img": "N", "old": "A"}, "tries=0", "old", "old", {"img": "N", "old": "A"}),
    "cut between two renames": (
        {"cur": "A", "new": "N", "old": "O"}, "new=1", "cur", "img", {"img": "A", "new": "N", "old": "O"}),
    "cut before the exchange": ({"img": "A", "new": "N"}, "new=1", "img", "img", {"img": "A", "new": "N"}),
    "only the new one is left": ({"new": "N", "old": "O"}, "new=1", "new", "img", {"img": "N", "old": "O"}),
    "the new one failed after the exchange": (
        {"img": "N", "new": "A"}, "new=1\ntries=0", "new", "old", {"img": "N", "old": "A"}),
    "cut while it was written": ({"img": "A", "new": "half", "old": "O"}, "", "img", "img", {"img": "A", "old": "O"}),
    "without a readable environment": ({"img": "A", "new": "x"}, None, "img", "img", {"img": "A", "new": "x"}),
    "only the old one is left": ({"old": "O"}, "", "old", "img", {"img": "O"}),
    "nothing to do": ({"img": "A", "old": "O"}, "", "img", "img", {"img": "A", "old": "O"}),
}


def names(short: str, current: str) -> str:
    return current if short == "img" else f"system.{short}"


def prepare(tmp_path: Path, case: str, folder: str) -> Path:
    images, variables, *_ = CASES[case]
    (tmp_path / "boot").mkdir()
    (tmp_path / "rw").mkdir()
    current = "system.img" if folder == "boot" else "system"
    for short in ("img", "cur", "new", "old"):  # a name without an image has an entry all the same
        (tmp_path / folder / names(short, current)).write_text(images.get(short, ""))
    if variables is not None:
        (tmp_path / "boot/grubenv").write_text(f"# GRUB Environment Block\n{variables}\n".ljust(1024, "#"))
    return tmp_path / folder


def shell(tmp_path: Path, code: str) -> list[str]:
    script = "".join(f". {DRACUT}/genpack-{name}.sh\n" for name in ("lib", "update")) + code
    env = {**os.environ, "GENPACK_RUN": str(tmp_path), "GENPACK_KMSG": "/dev/stdout"}
    done = subprocess.run(["/bin/sh", "-c", script], env=env, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("folder", ["boot", "rw"])
@pytest.mark.parametrize("case", CASES)
def test_names(tmp_path: Path, case: str, folder: str) -> None:
    _, _, booted, mounted, after = CASES[case]
    place = prepare(tmp_path, case, folder)
    current = "system.img" if folder == "boot" else "system"
    name = names(booted, current)
    # Told no name, it takes the boot loader's own.
    assert shell(tmp_path, f"genpack_image_folder {name}; genpack_image_folder; genpack_image_default {folder}") == [
        folder, folder, name]
    said = shell(tmp_path, f'dmesg() {{ :; }}; genpack_tidy {folder} {name}; echo "=$GENPACK_NAME"')
    assert said[-1] == f"={names(mounted, current)}"
    left = {path.name: path.read_text() for path in place.iterdir() if path.name.startswith("system")}
    assert {name: text for name, text in left.items() if text} == {
        names(short, current): image for short, image in after.items()}
    failed = [line for line in said if "never found good: this is the previous one" in line]
    assert bool(failed) is (CASES[case][1] is not None and "tries=0" in CASES[case][1])


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    prepare(tmp_path, "an update was finished", "boot")
    said = shell(tmp_path, 'dmesg() { :; }; mv() { echo read-only >&2; return 1; }; genpack_tidy boot system.cur\n'
                 'echo "=$GENPACK_NAME"')
    assert "cannot rename the image boot/system.cur: tried" in said[0]
    assert said[-1] == "=system.cur"
