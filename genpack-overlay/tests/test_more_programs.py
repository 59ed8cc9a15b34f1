# SPDX-License-Identifier: MIT
"""Programs that talk to a server or to another package manager; psql, rpm and GTK are replaced."""

from __future__ import annotations

import gzip
import hashlib
import os
import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import Fake
from test_programs import program, run

PG = "dev-db/create-pg-user-and-database"
BOOTSTRAP = "dev-util/rpmbootstrap"
LAUNCHER = "genpack/devlauncher"


# create-pg-user-and-database


@pytest.fixture
def psql(fake: Fake, tmp_path: Path) -> Path:
    """The calls of a psql that has no database yet; what it is told is in the file "sql"."""
    fake("runuser", 'shift 3; exec "$@"')
    return fake("psql", f"cat > {tmp_path}/sql; cat {tmp_path}/count 2> /dev/null || echo 0")


def test_pg_user_database_and_command(psql: Path, tmp_path: Path) -> None:
    done = run(PG, "--password-file", "-", "it's", "shop", "touch", tmp_path / "filled", given="p'a\\ss\n")
    assert (done.returncode, done.stdout) == (0, "shop: made\n"), done.stderr
    call = psql.read_text()
    assert "-v user=it's -v database=shop" in call and "ON_ERROR_STOP=1" in call and "p'a" not in call
    sql = (tmp_path / "sql").read_text()
    assert r"\set password 'p''a\\ss'" in sql
    places = [sql.index(text) for text in ("count(*)", "CREATE ROLE", "PASSWORD %L", "CREATE DATABASE")]
    assert places == sorted(places)
    assert (tmp_path / "filled").exists()


def test_pg_that_is_there_is_not_filled_again(psql: Path, tmp_path: Path) -> None:
    (tmp_path / "count").write_text("1\n")
    done = run(PG, "me", "shop", "touch", tmp_path / "filled")
    assert (done.returncode, done.stdout) == (0, "shop: exists\n")
    assert not (tmp_path / "filled").exists() and "PASSWORD" not in (tmp_path / "sql").read_text()


def test_pg_root_is_the_user_postgres(psql: Path, fake: Fake) -> None:
    calls = fake("runuser", 'shift 3; exec "$@"')
    assert run(PG, "me", "shop").returncode == 0
    assert (calls.exists() and calls.read_text().startswith("-u postgres -- psql ")) == (os.geteuid() == 0)


def test_pg_errors(psql: Path, fake: Fake, tmp_path: Path) -> None:
    done = run(PG, "me", "shop", "false")
    assert done.returncode == 1 and "error: false ended with status 1; the database stays" in done.stderr
    done = run(PG, "--password-file", tmp_path / "none", "me", "shop")
    assert done.returncode == 1 and "none: No such file or directory" in done.stderr
    done = run(PG, "x" * 64, "shop")
    assert done.returncode == 2 and "a name of 1 to 63 bytes is wanted" in done.stderr
    fake("psql", "echo 'psql: error: no server' >&2; exit 2")
    done = run(PG, "me", "shop")
    assert (done.returncode, done.stderr) == (
        1, "create-pg-user-and-database: error: psql:\n  psql: error: no server\n")


# rpmbootstrap

ENTRY = """<package type="rpm"><name>{name}</name><arch>{arch}</arch><version epoch="0" ver="{ver}" rel="1"/>
<checksum type="sha256" pkgid="YES">{digest}</checksum><location href="{name}-{ver}.rpm"/>
<format><rpm:provides>{provides}</rpm:provides><rpm:requires>{requires}</rpm:requires>{files}</format></package>
"""
PRIMARY = ('<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm">'
           "{}</metadata>")
INDEX = """<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="primary">
<checksum type="sha256">{digest}</checksum><location href="repodata/primary.xml.gz"/></data></repomd>"""


class Repository:
    """An RPM repository in a folder; the packages are any bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.entries = folder, ""
        (folder / "repodata").mkdir(parents=True)

    def add(self, name: str, ver: str = "1", *, arch: str = "noarch", provides: str = "", requires: str = "",
            file: str = "") -> None:
        data = f"{name} {ver}".encode()
        (self.folder / f"{name}-{ver}.rpm").write_bytes(data)
        both = ["".join(f'<rpm:entry name="{n}"/>' for n in names.split()) for names in (provides, requires)]
        self.entries += ENTRY.format(name=name, ver=ver, arch=arch, digest=hashlib.sha256(data).hexdigest(),
                                     provides=both[0], requires=both[1], files=f"<file>{file}</file>" if file else "")
        packed = gzip.compress(PRIMARY.format(self.entries).encode())
        (self.folder / "repodata/primary.xml.gz").write_bytes(packed)
        index = INDEX.format(digest=hashlib.sha256(packed).hexdigest())
        (self.folder / "repodata/repomd.xml").write_text(index)

    @property
    def url(self) -> str:
        return self.folder.as_uri()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repository")
    made.add("shell", requires="libc.so /bin/other rpmlib(X) (a-if-b)")
    made.add("libc", "9", provides="libc.so")
    made.add("libc", "10", provides="libc.so")
    made.add("libc", "11", provides="libc.so", arch="other")
    made.add("tools", file="/bin/other", requires="docs")
    made.add("docs")
    made.add("unused")
    return made


@pytest.fixture
def rpm(fake: Fake, tmp_path: Path) -> Path:
    keep = f'{{ cat "$word"; echo; }} >> {tmp_path}/rpms'
    return fake("rpm", f"for word; do case $word in *.rpm) {keep} ;; esac; done")


def test_rpmbootstrap_installs_what_is_needed(repository: Repository, rpm: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("key")
    done = run(BOOTSTRAP, "--arch", "x86_64", "--key", tmp_path / "key", repository.url, tmp_path / "new", "shell")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1::2] == ["docs", "libc", "shell", "tools"]
    assert (tmp_path / "rpms").read_text().splitlines() == ["docs 1", "libc 10", "shell 1", "tools 1"]
    first, second, third = rpm.read_text().splitlines()
    assert first == f"--root {tmp_path}/new --initdb" and second == f"--root {tmp_path}/new --import {tmp_path}/key"
    assert third.startswith(f"--root {tmp_path}/new --install --define _pkgverify_level all ")
    assert not Path(third.split()[-1]).exists()


def test_rpmbootstrap_without_signatures_and_a_package(repository: Repository, rpm: Path, tmp_path: Path) -> None:
    done = run(BOOTSTRAP, "--no-signature", "--exclude", "docs", repository.url, tmp_path / "new", "tools")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "rpms").read_text() == "tools 1\n"
    assert "--install --nosignature " in rpm.read_text()


def test_rpmbootstrap_errors(repository: Repository, rpm: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"

    def said(*words: object) -> tuple[int, str]:
        done = run(BOOTSTRAP, *words)
        assert not new.exists() and "Traceback" not in done.stderr
        return done.returncode, done.stderr.splitlines()[-1]

    assert said(repository.url, new, "shell") == (2, "rpmbootstrap: error: either --key or --no-signature is wanted")
    assert said("--key", tmp_path / "no", repository.url, new, "shell")[1].endswith("no: there is no such file")
    assert said("--no-signature", repository.url, tmp_path, "shell")[1].endswith("is not an empty folder")
    line = "rpmbootstrap: error: nothing provides nano, which is asked for"
    assert said("--no-signature", repository.url, new, "nano") == (1, line)
    repository.add("wants", requires="nano")
    assert said("--no-signature", repository.url, new, "wants")[1].endswith("nano, which wants needs")
    (repository.folder / "docs-1.rpm").write_text("changed")
    assert "docs-1.rpm: its sha256 is not " in said("--no-signature", repository.url, new, "docs")[1]
    (repository.folder / "repodata/repomd.xml").write_text("<html>")
    assert "not the metadata of an RPM repository" in said("--no-signature", repository.url, new, "docs")[1]
    assert "No such file" in said("--no-signature", f"{repository.url}x", new, "docs")[1]
    assert not rpm.exists()


def test_rpmbootstrap_that_fails_says_so(repository: Repository, fake: Fake, tmp_path: Path) -> None:
    fake("rpm", "exit 3")
    done = run(BOOTSTRAP, "--no-signature", repository.url, tmp_path / "new", "docs")
    assert done.returncode == 1 and f"rpm ended with status 3; {tmp_path}/new is not complete" in done.stderr


@pytest.mark.parametrize(("older", "newer"), [
    ("1.9", "1.10"), ("1.0~rc1", "1.0"), ("1.0", "1.0^git1"), ("1.0^git1", "1.0.1"), ("1.0a", "1.0.1"), ("5.a", "5.b"),
    ("1.0", "1.0a"),
])
def test_rpm_versions(older: str, newer: str) -> None:
    key = runpy.run_path(str(program(BOOTSTRAP)))["version_key"]
    assert key(older) < key(newer)


# devlauncher


class Program:
    """A desktop program as GIO shows it."""

    def __init__(self, name: str, *, show: bool = True, error: Exception | None = None) -> None:
        self.name, self.show, self.error, self.started = name, show, error, False

    def should_show(self) -> bool:
        return self.show

    def get_display_name(self) -> str:
        return self.name

    def launch(self, *_: Any) -> None:
        if self.error:
            raise self.error
        self.started = True


def test_devlauncher_shows_and_starts() -> None:
    made = runpy.run_path(str(program(LAUNCHER)))
    programs = [Program("vi"), Program("Editor"), Program("hidden", show=False)]
    assert [p.name for p in made["shown"](programs)] == ["Editor", "vi"]
    said: list[str] = []
    made["launch"](programs[0], OSError, lambda text, **_: said.append(text))
    made["launch"](Program("Bad", error=OSError("no such file")), OSError, lambda text, **_: said.append(text))
    assert programs[0].started and said == ["devlauncher: error: Bad can't be started: no such file"]


def test_devlauncher_without_gtk(tmp_path: Path) -> None:
    (tmp_path / "gi.py").write_text("raise ImportError('no toolkit here')\n")
    done = subprocess.run(["python3", program(LAUNCHER)], env={**os.environ, "PYTHONPATH": str(tmp_path)},
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "devlauncher: error: no toolkit here; it needs PyGObject and GTK 4\n")


@pytest.mark.parametrize("package", [PG, BOOTSTRAP, LAUNCHER])
def test_help(package: str) -> None:
    done = run(package, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"usage: {package.rpartition('/')[2]} ")
