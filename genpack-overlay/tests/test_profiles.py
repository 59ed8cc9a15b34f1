# SPDX-License-Identifier: MIT
"""Every profile by real Portage and by pkgcore: its parents, its @profile and its @system, against a golden list.

Gentoo's own profiles are stand-ins with Gentoo's paths, those of the local mirror. After a change that is meant, the
list is what `profile_sets.py portage` prints.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import MASTER, PACKAGE

GOLDEN = Path(__file__).with_name("golden") / "profiles.json"


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The profiles of the local mirror's "gentoo"; the mirror itself makes `seed` from what its stage3 holds."""
    folder = tmp_path_factory.mktemp("master")
    for name in ("profiles", "metadata"):
        shutil.copytree(MASTER / name, folder / name)
    seed = folder / "profiles/seed"
    seed.mkdir()
    (seed / "eapi").write_text("8\n")
    (seed / "packages").write_text("*sys-libs/glibc\n")
    return folder


def resolved(tool: str, master: Path, work: Path) -> dict[str, Any]:
    program = [sys.executable, str(Path(__file__).with_name("profile_sets.py"))]
    done = subprocess.run([*program, tool, str(master), str(PACKAGE), str(work)], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("tool", ["portage", "pkgcore"])
def test_profiles(tool: str, master: Path, tmp_path: Path) -> None:
    found, golden = resolved(tool, master, tmp_path), json.loads(GOLDEN.read_text())
    assert list(found) == list(golden)
    for name, expected in golden.items():
        assert found[name] == expected, name


def test_every_profile_is_listed() -> None:
    """A leaf that profiles.desc forgets is checked by no tool."""
    base = PACKAGE / "profiles"
    made = {path.parent.relative_to(base).as_posix() for path in base.glob("genpack/*/**/parent")}
    assert {name for name in made if not name.startswith("genpack/targets")} == set(json.loads(GOLDEN.read_text()))


def test_settings_of_a_profile(master: Path, tmp_path: Path) -> None:
    """What a profile sets beside its packages reaches the package that it is meant for."""
    from pkgcore.ebuild.cpv import VersionedCPV
    from pkgcore.ebuild.profiles import OnDiskProfile, ProfileNode

    ProfileNode._repo_map = {"gentoo": str(master), "genpack-overlay": str(PACKAGE)}

    def flags(profile: str, package: str) -> set[str]:
        use = OnDiskProfile(str(PACKAGE / "profiles"), f"genpack/{profile}").pkg_use
        return set(use.pull_data(VersionedCPV(f"{package}-1")))

    assert "baremetal" in flags("x86/baremetal", "genpack/systemimg")
    assert "baremetal" not in flags("x86/systemimg", "genpack/systemimg")
    assert {"video_cards_zink", "video_cards_lavapipe"} <= flags("riscv/paravirt", "media-libs/mesa")
    assert "dracut" in flags("arm64", "sys-kernel/installkernel")
    weston = OnDiskProfile(str(PACKAGE / "profiles"), "genpack/amd64/weston/paravirt").default_env
    assert {"wayland", "-X"} <= set(weston["USE"]) and "virgl" in weston["VIDEO_CARDS"]
