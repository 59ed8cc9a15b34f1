# SPDX-License-Identifier: MIT
"""Profiles, closure and copy-up with real Portage on a small root."""

from __future__ import annotations

import json
import os
from pathlib import Path

import portage_root
import pytest
from portage_root import Root

SETS = """
from genpack_progs.vardb import VarDb
db = VarDb()
print(db.set_atoms("profile"), db.set_atoms("system"))
"""
CLOSURE = """
from genpack_progs.installed import open_closure
db, closure = open_closure(devel={devel})
print(*closure.packages, sep="\\n")
"""


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """A root with a small image: base and paravirt, a shell, a virtual, a package that only builds."""
    root = portage_root.make(tmp_path / "root")
    root.install("genpack/paravirt-0.1.0", RDEPEND="!!genpack/systemimg genpack/base")
    root.install("genpack/base-0.1.0", IUSE="+sshd btrfs", USE="amd64 sshd",
                 RDEPEND="app-shells/bash || ( sys-kernel/none virtual/kernel ) sys-kernel/dracut-genpack "
                         "sshd? ( net-misc/openssh[!ldns?] ) btrfs? ( sys-fs/btrfs-progs )")
    root.install("app-shells/bash-5.2_p21-r1", RDEPEND=">=sys-libs/glibc-2.30:2.2=", PDEPEND="sys-apps/late")
    root.install("sys-libs/glibc-2.36-r3", SLOT="2.2")
    root.install("sys-apps/late-1")
    root.install("virtual/kernel-6.1", SLOT="0/6.1")
    root.install("net-misc/openssh-9.2_p1", IUSE="ldns")
    root.install("sys-kernel/dracut-genpack-0.1.0", INHERITED="genpack-ignore", RDEPEND="app-arch/cpio")
    root.install("app-arch/cpio-2.13")
    root.install("sys-devel/gcc-12.2")
    return root


@pytest.mark.parametrize(("profile", "packages"), [
    ("genpack/amd64", ["genpack/base"]),
    ("genpack/amd64/paravirt", ["genpack/base", "genpack/paravirt"]),
])
def test_profile_and_system_sets(tmp_path: Path, profile: str, packages: list[str]) -> None:
    said = portage_root.make(tmp_path / "root", profile=profile).python(SETS)
    assert said.strip() == f"{packages} {['genpack/genpack-progs', 'sys-libs/glibc']}"


def test_closure(root: Root) -> None:
    assert root.python(CLOSURE.format(devel=False)).split() == [
        "sys-libs/glibc-2.36-r3", "sys-apps/late-1", "app-shells/bash-5.2_p21-r1", "virtual/kernel-6.1",
        "net-misc/openssh-9.2_p1", "genpack/base-0.1.0", "genpack/paravirt-0.1.0"]


def test_sets_of_the_artifact(root: Root) -> None:
    root.write("etc/portage/sets/genpack-runtime", "app-arch/cpio\n")
    root.write("etc/portage/sets/genpack-devel", "sys-devel/gcc\n")
    assert "app-arch/cpio-2.13" in root.python(CLOSURE.format(devel=False))
    assert "sys-devel/gcc-12.2" not in root.python(CLOSURE.format(devel=False))
    assert "sys-devel/gcc-12.2" in root.python(CLOSURE.format(devel=True))


def test_use_in_the_metadata_is_what_is_declared_and_enabled(root: Root) -> None:
    said = root.python("from genpack_progs.vardb import VarDb; p = VarDb().package('genpack/base-0.1.0'); "
                       "print(p.use, p.slot, p.description, p.license, sep='|')")
    assert said.strip() == "sshd|0|about genpack/base-0.1.0|MIT"


def test_a_missing_package_is_an_error_that_says_who_needs_it(root: Root) -> None:
    root.write("etc/portage/sets/genpack-runtime", "net-misc/gone\n")
    done = root.run("genpack-copyup")
    assert done.returncode == 1
    assert "genpack-copyup: error: net-misc/gone is not installed, needed by @genpack-runtime\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_package_provided(root: Root) -> None:
    root.write("etc/portage/sets/genpack-runtime", "net-misc/elsewhere\n")
    root.write("etc/portage/profile/package.provided", "net-misc/elsewhere-1.0\n")
    assert root.run("genpack-copyup", "--help").returncode == 0
    assert "net-misc" not in root.python(CLOSURE.format(devel=False)).replace("net-misc/openssh", "")


def test_masked_packages_are_those_of_package_mask_less_package_unmask(root: Root) -> None:
    masked = "from genpack_progs.vardb import VarDb; print(VarDb().masked())"
    assert root.python(masked).strip() == "{}"
    root.write("etc/portage/package.mask", ">=app-arch/cpio-2\n>=sys-libs/glibc-3\nsys-devel/gcc\n")
    root.write("etc/portage/package.unmask", "sys-devel/gcc\n")
    assert root.python(masked).strip() == "{'app-arch/cpio-2.13': '>=app-arch/cpio-2'}"


def test_kernel_modules_of_another_kernel(root: Root) -> None:
    root.install("a/old-1", INHERITED="linux-mod-r1", contents="dir /lib/modules\nobj /lib/modules/6.1/x.ko 0 0\n")
    root.install("a/new-1", INHERITED="linux-mod", contents="obj /lib/modules/6.12/x.ko 0 0\n")
    root.install("a/both-1", INHERITED="linux-mod-r1",
                 contents="obj /usr/lib/modules/6.1/x.ko 0 0\nobj /usr/lib/modules/6.12/x.ko 0 0\n")
    root.install("a/kernel-6.1", contents="obj /lib/modules/6.1/vmlinuz 0 0\n")
    said = root.python("from genpack_progs.vardb import VarDb; from genpack_progs.cmd_modules import stale; "
                       "print(stale(VarDb(), '6.12'))")
    assert said.strip() == "['a/old-1']"


@pytest.mark.skipif(os.geteuid() != 0, reason="device nodes need root")
def test_copyup_program(root: Root) -> None:
    (root.path / "usr/bin").mkdir(parents=True)
    (root.path / "bin").symlink_to("usr/bin")
    for name in ("usr/bin/bash", "usr/share/man/man1/bash.1", "usr/bin/unowned"):
        root.write(name, "x" * 10)
        os.utime(root.path / name, ns=(5, 7))
    folder = root.database / "app-shells/bash-5.2_p21-r1"
    (folder / "CONTENTS").write_text(
        "dir /bin\nobj /bin/bash 0 0\nobj /bin/gone 0 0\ndir /usr\nobj /usr/share/man/man1/bash.1 0 0\n")
    before = {p: p.lstat().st_ctime_ns for p in root.path.rglob("*")}
    done = root.run("genpack-copyup")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1] == {"packages": 7, "files": lines[-2]["total"], "bytes": 10}
    assert all(line.keys() == {"done", "total"} for line in lines[:-1]) and lines[-2]["done"] == lines[-2]["total"]
    touched = {p.relative_to(root.path).as_posix() for p, at in before.items() if p.lstat().st_ctime_ns != at}
    assert {"usr/bin/bash", "bin", "usr"} <= touched
    assert not touched & {"usr/bin/unowned", "usr/share/man/man1/bash.1"}
    assert (root.path / "usr/bin/bash").stat().st_mtime_ns == 7
    assert (root.path / "dev/null").is_char_device()
    leftovers = [p for p in root.path.rglob("*") if "edb" in p.parts and p.is_file()]
    assert leftovers == []  # Portage wrote no cache that would end up in the image
