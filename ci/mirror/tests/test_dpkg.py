# SPDX-License-Identifier: MIT
"""dpkg's database, owners of every file, and Portage's database made from both."""

import bz2
import hashlib
from pathlib import Path

import pytest
from genpack_mirror import vardb
from genpack_mirror.dpkg import Tree, clauses, parse_status
from genpack_mirror.ownership import adopt_orphans
from genpack_mirror.tables import Tables

STATUS = """\
Package: base-files
Status: install ok installed
Version: 12.4
Architecture: amd64
Description: base

Package: libc6
Status: install ok installed
Version: 2.36-9
Architecture: amd64
Description: C library

Package: tool
Status: install ok installed
Version: 1:1.5-2
Architecture: amd64
Depends: libc6 (>= 2.3), debconf | debconf-2.0, nowhere | libc6
Description: a "tool"
 with a long text

Package: gone
Status: deinstall ok config-files
Version: 1
Architecture: amd64
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small merged-/usr root file system with three packages."""
    info = tmp_path / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(STATUS)
    (tmp_path / "var/lib/dpkg/diversions").write_text("")
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "bin").symlink_to("usr/bin")
    (tmp_path / "usr/bin/tool").write_text("#!/bin/sh\n")
    (tmp_path / "usr/lib/python3").mkdir(parents=True)
    (tmp_path / "usr/lib/python3/m.py").write_text("")
    cache = tmp_path / "usr/lib/python3/__pycache__"
    cache.mkdir()
    (cache / "m.cpython-311.pyc").write_text("")
    (tmp_path / "etc/alternatives").mkdir(parents=True)
    (tmp_path / "etc/alternatives/awk").symlink_to("/usr/bin/tool")
    (tmp_path / "usr/bin/awk").symlink_to("/etc/alternatives/awk")
    (tmp_path / "etc/made-by-a-script").write_text("x")
    (tmp_path / "var/log").mkdir()
    (tmp_path / "var/log/noise").write_text("x")
    (info / "base-files.list").write_text("/.\n/bin\n")
    (info / "libc6.list").write_text("/.\n")
    (info / "tool.list").write_text("/.\n/bin/tool\n/usr/lib/python3/m.py\n/usr/share/doc/not-there\n/var/log\n")
    return tmp_path


def test_status_keeps_what_is_installed() -> None:
    packages = parse_status(STATUS)
    assert sorted(packages) == ["base-files", "libc6", "tool"]
    assert packages["tool"]["Description"].startswith('a "tool"')


def test_alternatives() -> None:
    assert clauses("a (>= 1) | b:any, c") == [["a", "b"], ["c"]]
    assert clauses("") == []


def test_every_file_gets_an_owner(root: Path) -> None:
    tree = Tree(root)
    left = adopt_orphans(tree)
    assert tree.owner["/usr/bin/tool"] == "tool", "listed as /bin/tool, a link to /usr/bin"
    assert tree.owner["/usr/lib/python3/__pycache__/m.cpython-311.pyc"] == "tool"
    assert tree.owner["/usr/bin/awk"] == "tool"
    assert left == ["/etc/made-by-a-script"]
    assert "/var/log/noise" not in tree.owner
    assert "/var/log" in tree.files["base-files"]


def test_database_is_what_portage_reads(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    repository = tmp_path_factory.mktemp("repository")
    tree = Tree(root)
    adopt_orphans(tree)
    names = {"tool": "app-misc/tool", "libc6": "sys-libs/glibc", "base-files": "sys-apps/baselayout"}
    tables = Tables(names, frozenset({"debconf"}), (), {}, ())
    packages = vardb.from_dpkg(tree, tables)
    vardb_scan = vardb.scan_elf
    try:
        vardb.scan_elf = lambda root: {"/usr/bin/tool": vardb.Elf("", "", "libc.so.6")}
        vardb.write(tree, packages, repository, build_time=1)
    finally:
        vardb.scan_elf = vardb_scan
    entry = root / "var/db/pkg/app-misc/tool-1.5-r2"
    assert (entry / "RDEPEND").read_text() == "sys-libs/glibc\n"
    assert (entry / "REQUIRES").read_text() == "x86_64: libc.so.6\n"
    md5 = hashlib.md5((root / "usr/bin/tool").read_bytes()).hexdigest()
    contents = (entry / "CONTENTS").read_text().splitlines()
    assert f"obj /usr/bin/tool {md5} {int((root / 'usr/bin/tool').stat().st_mtime)}" in contents
    assert "dir /usr/bin" in contents
    assert "PF=tool-1.5-r2" in bz2.decompress((entry / "environment.bz2").read_bytes()).decode()
    ebuild = (repository / "app-misc/tool/tool-1.5-r2.ebuild").read_text()
    cache = (repository / "metadata/md5-cache/app-misc/tool-1.5-r2").read_text()
    assert f"_md5_={hashlib.md5(ebuild.encode()).hexdigest()}" in cache
    assert "*app-misc/tool\n" in (repository / "profiles/seed/packages").read_text()
