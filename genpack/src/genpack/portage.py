# SPDX-License-Identifier: MIT
"""Portage's configuration in the lower layer: what goes into which file, and emerge's command lines."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from genpack import overlays
from genpack.arch import Arch
from genpack.hashing import walk
from genpack.model import AtomMap, Definition

#: File name of ours in package.use/ and the like.
OWN = "genpack"

#: Artifact folder -> place in the lower layer.
FOLDERS = {
    "savedconfig": "etc/portage/savedconfig",
    "patches": "etc/portage/patches",
    "env": "etc/portage/env",
    "kernel": "etc/kernel",
}
ARCH_PREFIX = "arch-"


def make_profile(arch: Arch, profile: str | None) -> str:
    """Target of the link /etc/portage/make.profile."""
    tail = f"/{profile}" if profile else ""
    return f"../../var/db/repos/{overlays.NAME}/profiles/genpack/{arch.gentoo}{tail}"


def atom_lines(entries: AtomMap) -> str:
    """Lines `atom word word`; an entry without a value (None) has no line."""
    return "".join(" ".join((atom, *words)) + "\n" for atom, words in entries.items() if words is not None)


def lines(entries: Sequence[str]) -> str:
    return "".join(f"{entry}\n" for entry in entries)


def repository(name: str, location: str, priority: int) -> str:
    return f"[{name}]\nlocation = {location}\nauto-sync = no\npriority = {priority}\n"


def config_files(definition: Definition, local_repository: str | None) -> dict[str, str]:
    """Path in the lower layer -> content, of every file that the definition makes; an empty one is left out."""
    gentoo = "[DEFAULT]\nmain-repo = gentoo\n\n" + repository("gentoo", "/var/db/repos/gentoo", -1000)
    found = {
        "repos.conf/gentoo.conf": gentoo,
        f"repos.conf/{overlays.NAME}.conf": repository(overlays.NAME, f"/var/db/repos/{overlays.NAME}", 10),
        f"package.use/{OWN}": atom_lines(definition.use),
        f"package.accept_keywords/{OWN}": atom_lines(definition.accept_keywords),
        f"package.mask/{OWN}": lines(definition.mask),
        f"package.license/{OWN}": atom_lines(definition.license),
        f"package.env/{OWN}": atom_lines(definition.env),
    }
    if local_repository:
        place = f"/var/db/repos/{overlays.LOCAL_NAME}"
        found[f"repos.conf/{overlays.LOCAL_NAME}.conf"] = repository(local_repository, place, 20)
    result = {f"etc/portage/{name}": text for name, text in found.items() if text}
    # The sets exist even if they are empty: emerge's command line names them.
    result["etc/portage/sets/genpack-runtime"] = lines(definition.packages)
    result["etc/portage/sets/genpack-buildtime"] = lines(definition.buildtime_packages)
    # What depclean keeps beside @world's own packages.
    result["var/lib/portage/world_sets"] = "@genpack-buildtime\n@genpack-runtime\n"
    return result


def folder_files(artifact: Path, arch: str) -> dict[str, Path]:
    """Path in the lower layer -> source, of the artifact's folders; kernel/arch-<arch>/ is laid over kernel/."""
    found: dict[str, Path] = {}
    for name, place in FOLDERS.items():
        top = artifact / name
        if not top.is_dir():
            continue
        entries = [rel for rel, _ in walk(top) if not (top / rel).is_dir() or (top / rel).is_symlink()]
        for rel in entries:
            first, _, rest = rel.partition("/")
            if name == "kernel" and first.startswith(ARCH_PREFIX):
                continue
            found[f"{place}/{rel}"] = top / rel
        for rel in entries if name == "kernel" else ():
            first, _, rest = rel.partition("/")
            if first == ARCH_PREFIX + arch and rest:
                found[f"{place}/{rest}"] = top / rel
    return found


def apply(lower: Path, files: dict[str, str], copies: dict[str, Path], managed: Sequence[str]) -> list[str]:
    """Writes the files, copies the others, removes what was managed before and is no longer; returns what is managed
    now (the repositories' and sets' files included)."""
    wanted = {*files, *copies}
    for name in managed:
        if name not in wanted:
            (lower / name).unlink(missing_ok=True)
            _remove_empty((lower / name).parent, lower / "etc")
    for name in ("repos.conf", "package.use", "package.accept_keywords", "package.mask", "package.license"):
        _as_folder(lower / "etc/portage" / name)
    _as_folder(lower / "etc/portage/package.env")
    _as_folder(lower / "etc/portage/binrepos.conf")
    for name, text in files.items():
        target = lower / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    for name, source in copies.items():
        target = lower / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
        os.chown(target, 0, 0, follow_symlinks=False)
    return sorted(wanted)


def link_profile(lower: Path, target: str) -> None:
    """Points make.profile at the profile."""
    link = lower / "etc/portage/make.profile"
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _as_folder(path: Path) -> None:
    """A file of the stage3 where we need a folder becomes the first file in that folder."""
    if path.is_file():
        content = path.read_bytes()
        path.unlink()
        path.mkdir()
        (path / "00-stage3").write_bytes(content)


def _remove_empty(folder: Path, top: Path) -> None:
    """Removes folders that became empty, up to `top`."""
    while folder != top and top in folder.parents and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Emerge:
    """Makes emerge's command lines. `jobs`: packages at a time, and the load up to which another is started; None: one
    at a time; `excludes`: atoms kept out of binary packages; `getbinpkg`: binary package hosts are asked too; `stale`:
    packages not to take from binary ones; `reinstall`: to install again though their version is installed."""

    jobs: int | None = None
    excludes: Sequence[str] = ()
    getbinpkg: bool = False
    stale: Sequence[str] = ()
    reinstall: Sequence[str] = ()

    def _common(self) -> list[str]:
        return ["emerge", *self.options()]

    def options(self) -> list[str]:
        """Options of every emerge."""
        jobs = [] if self.jobs is None else [f"--jobs={self.jobs}", f"--load-average={self.jobs}"]
        return ["--color=n", "--nospinner", "--quiet-build=y", *jobs]

    def update(self, *targets: str, oneshot: bool = False) -> list[str]:
        """Installs and updates targets, from binary packages where they fit, and makes binary packages."""
        words = [*self._common(), "--buildpkg", "--usepkg", "--binpkg-respect-use=y"]
        words += ["--update", "--deep", "--newuse", "--keep-going", *(["--getbinpkg"] if self.getbinpkg else [])]
        # A package with an artifact's patches must not reach another artifact by the shared cache.
        words += ["--binpkg-respect-user-patches=y"]
        if self.excludes or self.stale:
            words += [f"--usepkg-exclude={' '.join([*self.excludes, *self.stale])}"]
        if self.excludes:
            words += [f"--buildpkg-exclude={' '.join(self.excludes)}"]
        if self.reinstall:
            words += [f"--reinstall-atoms={' '.join(self.reinstall)}"]
        return [*words, *(["--oneshot"] if oneshot else []), *targets]

    def rebuild(self, target: str) -> list[str]:
        """Builds a set again, from source."""
        return [*self._common(), "--oneshot", "--usepkg=n", "--buildpkg", target]

    def depclean(self, *, build_dependencies: bool = True) -> list[str]:
        """Removes what nothing needs."""
        return [*self._common(), "--depclean", *([] if build_dependencies else ["--with-bdeps=n"])]


#: Portage's environment in the lower layer.
ENV = {
    "CLEAN_DELAY": "0",
    "EMERGE_WARNING_DELAY": "0",
    "DISTDIR": "/var/cache/distfiles",
    "PKGDIR": "/var/cache/binpkgs",
}

#: With --offline: Portage copies from folders among GENTOO_MIRRORS by itself, and this is what it runs for a URL. It
#: insists on ${FILE} in it.
_OFFLINE = r'sh -c "echo \"genpack --offline: ${URI} is in neither cache nor local mirror\" >&2; exit 1" ${FILE}'


def environment(*, offline: bool, emulated: bool) -> dict[str, str]:
    """The environment of Portage's programs. What FEATURES says here goes on top of make.conf's."""
    found = dict(ENV)
    if offline:
        found |= {"FETCHCOMMAND": _OFFLINE, "RESUMECOMMAND": _OFFLINE}
    if emulated:
        found["FEATURES"] = "-pid-sandbox"  # its process namespaces can't be relied on in QEMU's user emulation
    return found


def failure_lines(build_log: Path, count: int) -> list[str]:
    """The lines of a build log that tell why a package failed: the last `count` that are not empty, but of Portage's
    own summary (a call stack and advice, a screenful) no more than its first two. [] if the log can't be read."""
    try:
        with build_log.open(encoding="utf-8", errors="replace") as file:
            found = [line.rstrip("\n") for line in file if line.strip()]
    except OSError:
        return []
    summary = next((number for number, line in enumerate(found) if line.startswith(" * ERROR: ")), len(found))
    return found[: summary + 2][-count:]
