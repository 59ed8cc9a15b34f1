# SPDX-License-Identifier: MIT
"""@profile and @system of every profile, as real Portage and as pkgcore resolve them.

    profile_sets.py portage|pkgcore MASTER OVERLAY WORK

prints {profile: {"arch": [ARCH], "stack": [REPOSITORY:FOLDER], "profile": [atoms], "system": [atoms]}}. A process of
its own: both keep state that is global.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

Sets = dict[str, list[str]]


def names(overlay: Path) -> list[str]:
    """The profiles of profiles.desc."""
    lines = (line.split("#")[0].split() for line in (overlay / "profiles/profiles.desc").read_text().splitlines())
    return [words[1] for words in lines if words]


def origins(folders: Iterable[str], master: Path, overlay: Path) -> list[str]:
    """Folders of a profile's stack as they would be written in a parent file. Leaves out a user's own /etc/portage."""
    known = {master / "profiles": "gentoo", overlay / "profiles": "genpack-overlay"}
    found = ((known[base], Path(each).relative_to(base)) for each in map(os.path.realpath, folders) for base in known
             if Path(each).is_relative_to(base))
    return [f"{repository}:{path}" for repository, path in found if path != Path()]


def by_portage(master: Path, overlay: Path, work: Path) -> dict[str, Sets]:
    """Selects one profile after the other below `work`/etc/portage, as eselect would."""
    folder = work / "etc/portage"
    folder.mkdir(parents=True)
    (folder / "repos.conf").write_text(
        f"[DEFAULT]\nmain-repo = gentoo\n[gentoo]\nlocation = {master}\n[genpack-overlay]\nlocation = {overlay}\n")
    os.environ["PORTAGE_CONFIGROOT"] = str(work)
    import portage
    from portage._sets import load_default_config

    found = {}
    for name in names(overlay):
        link = folder / "make.profile"
        link.unlink(missing_ok=True)
        link.symlink_to(overlay / "profiles" / name)
        trees = portage.create_trees(config_root=str(work), target_root=str(work))
        root = trees[trees._target_eroot]
        settings = root["vartree"].settings
        sets = load_default_config(settings, root).getSets()
        found[name] = {
            "arch": [settings["ARCH"]],
            "stack": origins(settings.profiles, master, overlay),
            **{each: sorted(map(str, sets[each].getAtoms())) for each in ("profile", "system")},
        }
    return found


def by_pkgcore(master: Path, overlay: Path) -> dict[str, Sets]:
    """pkgcore finds parents in other repositories through the table that its configuration would fill."""
    from pkgcore.ebuild.profiles import OnDiskProfile, ProfileNode

    ProfileNode._repo_map = {"gentoo": str(master), "genpack-overlay": str(overlay)}
    found = {}
    for name in names(overlay):
        profile = OnDiskProfile(str(overlay / "profiles"), name)
        found[name] = {
            "arch": [profile.arch],
            "stack": origins((node.path for node in profile.stack), master, overlay),
            "profile": sorted(map(str, profile.profile_set)),
            "system": sorted(map(str, profile.system)),
        }
    return found


def main() -> None:
    tool, master, overlay, work = sys.argv[1], *map(Path, sys.argv[2:])
    found = by_portage(master, overlay, work) if tool == "portage" else by_pkgcore(master, overlay)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
