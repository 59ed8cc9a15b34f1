# SPDX-License-Identifier: MIT
"""The stand-in stage3: Debian's userland, Portage, and a database of installed packages that Portage believes."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import portage, vardb
from .dpkg import Tree
from .ownership import adopt_orphans
from .plan import Plan
from .process import MirrorError, run, say
from .tables import Tables

_MAKE_CONF = """\
# This is a stand-in stage3 made from Debian packages: it has no sandbox, and runs inside systemd-nspawn.
FEATURES="-sandbox -usersandbox -pid-sandbox -network-sandbox -ipc-sandbox -mount-sandbox -userpriv -userfetch -news"
FEATURES="${FEATURES} -merge-wait -merge-sync parallel-install"
BINPKG_FORMAT="gpkg"
"""
_OS_RELEASE = """\
NAME=Gentoo
ID=gentoo
PRETTY_NAME="Gentoo Linux (stand-in stage3 made from Debian packages)"
HOME_URL="https://www.gentoo.org/"
VERSION_ID=2.17
"""
_PORTAGE_NEEDS = ["dev-lang/python", "app-shells/bash", "app-arch/tar", "sys-apps/coreutils"]


def make_stage3(rootfs: Path, portage_image: Path, tables: Tables, plan: Plan, folder: Path, *, now: int) -> None:
    """``folder/stage3.tar.xz`` and ``folder/tree`` (placeholder ebuilds, their cache, the seed profile)."""
    root = folder / "root"
    root.mkdir()
    try:
        run(["tar", "-C", root, "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xf", rootfs])
        _install_portage(root, portage_image)
        _become_gentoo(root)
        tree = Tree(root)
        twice = sorted({p.name for entry in plan.debs for p in entry.debs} & set(tree.packages))
        if twice:
            raise MirrorError(f"the minimal system already holds {', '.join(twice)}: name them in seed.txt")
        portage_entry = _portage_entry(tree, portage_image)
        orphans = adopt_orphans(tree)
        say(f"stage3: {len(tree.packages)} Debian packages, {len(orphans)} files without an owner given to baselayout")
        packages = vardb.from_dpkg(tree, tables)
        packages.append(portage_entry)
        vardb.write(tree, packages, folder / "tree", build_time=now)
        archive = folder / "stage3.tar"
        run(
            ["tar", "-C", root, "--numeric-owner", "--xattrs", "--xattrs-include=*", "--sort=name"]
            + ["--clamp-mtime", f"--mtime=@{now}", "-cf", archive, "."]
        )
        run(["xz", "-0", "-T2", archive])
    finally:
        shutil.rmtree(root)


def _install_portage(root: Path, image: Path) -> None:
    run(["cp", "-a", "--no-preserve=ownership", f"{image}/.", root])
    run(["chroot", root, "groupadd", "-g", "250", "portage"])
    run(["chroot", root, "useradd", "-u", "250", "-g", "250", "-d", "/var/tmp/portage", "-s", "/bin/false", "portage"])
    for name in ("var/cache/distfiles", "var/cache/binpkgs", "var/tmp/portage", "var/lib/portage"):
        run(["install", "-d", "-m2775", "-g250", root / name])
    for name in ("etc/portage", "var/db/repos", "var/db/pkg"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "var/lib/portage/world").touch()
    (root / "etc/portage/make.conf").write_text(_MAKE_CONF)


def _become_gentoo(root: Path) -> None:
    """Remove what is this machine's or Debian's policy; name the distribution as Portage's tools expect it."""
    (root / "usr/lib/os-release").write_text(_OS_RELEASE)
    (root / "etc/issue").write_text("\nThis is \\n.\\O (\\s \\m \\r) \\t\n\n")
    (root / "etc/issue.net").unlink(missing_ok=True)
    (root / "usr/bin/gtar").symlink_to("tar")  # the name that Portage calls GNU tar by
    for name in ("etc/resolv.conf", "etc/.resolv.conf.systemd-resolved.bak", "etc/hostname", "etc/machine-id"):
        (root / name).unlink(missing_ok=True)
    for path in list((root / "etc/systemd/system").iterdir()):
        # what Debian enabled by its presets: which units an image starts is the image's matter
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    for name in ("etc/init.d", "etc/dpkg", "etc/cron.d", "etc/cron.daily", "etc/rc0.d", "etc/rcS.d"):
        shutil.rmtree(root / name, ignore_errors=True)
    for path in (root / "etc").glob("rc?.d"):
        shutil.rmtree(path)


def _portage_entry(tree: Tree, image: Path) -> vardb.Installed:
    name = "@portage"
    for path in image.rglob("*"):
        tree.add(name, f"/{path.relative_to(image)}")
    entry = vardb.Installed("sys-apps/portage", portage.VERSION, description="Gentoo's package manager")
    entry.rdepend, entry.paths = list(_PORTAGE_NEEDS), {p for p in tree.files[name] if not p.startswith("/etc/portage")}
    return entry
