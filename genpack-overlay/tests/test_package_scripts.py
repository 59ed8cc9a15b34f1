# SPDX-License-Identifier: MIT
"""Package scripts of services: each is run twice in a merged tree; what counts is what is in the upper layer then."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from merged_tree import MergedTree

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="overlayfs and other owners need root")
WANTS = "etc/systemd/system/multi-user.target.wants"


@pytest.fixture
def tree(tmp_path: Path) -> MergedTree:
    return MergedTree(tmp_path)


def owner(path: Path) -> tuple[int, int, int]:
    status = path.lstat()
    return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid


@pytest.mark.parametrize(("script", "units"), [
    ("sys-process/cronie/10-service", ["cronie.service"]),
    ("sys-process/audit/10-service", ["auditd.service", "audit-rules.service"]),
    ("sys-process/audit/10-service", ["auditd.service"]),  # before version 4
])
def test_services_are_enabled(tree: MergedTree, script: str, units: list[str]) -> None:
    for unit in units:
        tree.unit(unit)
    upper = tree.run(script)
    assert sorted(path.name for path in (upper / WANTS).iterdir()) == sorted(units)
    presets = (upper / "usr/lib/systemd/system-preset").iterdir()
    assert sorted(path.read_text() for path in presets) == sorted(f"enable {unit}\n" for unit in units)


@pytest.mark.parametrize("script", ["sys-process/cronie/10-service", "sys-process/audit/10-service"])
def test_without_systemd_nothing_is_enabled(tree: MergedTree, script: str) -> None:
    upper = tree.run(script)
    assert not (upper / "etc/systemd").exists() and not (upper / "usr/lib/systemd").exists()


def test_docker_has_its_folder(tree: MergedTree) -> None:
    assert owner(tree.run("app-containers/docker/10-data") / "var/lib/docker") == (0o710, 0, 0)


@pytest.mark.parametrize(("script", "plugin"), [
    ("app-containers/docker/90-plugin", "70-docker.py"), ("dev-db/mysql/90-plugin", "70-mysql.py"),
    ("dev-db/postgresql/90-plugin", "70-postgresql.py"), ("mail-mta/postfix/90-plugin", "71-postfix_aliases.py"),
])
def test_plugins(tree: MergedTree, script: str, plugin: str) -> None:
    upper = tree.run(script)
    assert [path.name for path in (upper / "usr/lib/genpack-init").iterdir()] == [plugin]


# A stand-in: Debian has no MySQL. It makes what the server makes, and takes an init file only with SHUTDOWN in it.
MYSQLD = r"""#!/bin/sh
echo "mysqld $*" >> /var/calls
for word; do
    case $word in
    --datadir=*) data=${word#*=} ;;
    --init-file=*) sql=${word#*=} ;;
    esac
done
case $* in
*--initialize-insecure*) [ ! -e "$data" ] && mkdir -p "$data/mysql" ;;
*) grep -q SHUTDOWN "$sql" && grep IDENTIFIED "$sql" > "$data/mysql/user.ibd" ;;
esac || exit 1
echo secret | tee "$data/server-key.pem" "$data/private_key.pem" > "$data/auto.cnf"
chown -R mysql:mysql "$data"
"""


def test_mysql_has_a_database_without_keys_or_password(tree: MergedTree) -> None:
    tree.file("usr/sbin/mysqld", MYSQLD, 0o755)
    tree.file("var/lib/mysql/.keep_dev-db_mysql-0")
    tree.file("var/log/mysql/mysqld.err")
    upper = tree.run("dev-db/mysql/10-data")
    data = upper / "var/lib/mysql"
    assert owner(data) == (0o750, 60, 60)
    assert sorted(path.name for path in data.rglob("*")) == ["mysql", "user.ibd"]
    assert "root'@'localhost' IDENTIFIED WITH auth_socket" in (data / "mysql/user.ibd").read_text()
    assert (upper / "etc/mysql/mysql.d/60-genpack.cnf").read_text().splitlines() == [
        "[mysqld]", "disable-log-bin", "plugin-load-add = auth_socket.so"]
    assert owner(upper / "var/log/mysql") == (0o750, 60, 60)
    initialize, start = (upper / "var/calls").read_text().splitlines()  # none by the second run
    assert "--initialize-insecure" in initialize and "--skip-networking" in start
    assert not [p for p in upper.rglob("*") if p.is_file() and b"secret" in p.read_bytes()]


def test_mysql_leaves_a_database_and_other_files_alone(tree: MergedTree) -> None:
    tree.file("usr/sbin/mysqld", MYSQLD, 0o755)
    tree.file("var/lib/mysql/mysql/user.ibd", "mine")
    upper = tree.run("dev-db/mysql/10-data")
    assert not (upper / "var/calls").exists() and not (upper / "var/lib/mysql").exists()


@pytest.mark.parametrize(("server", "text"), [
    (MYSQLD, "/var/lib/mysql has files and no database: /var/lib/mysql/import.sql"),
    ("#!/bin/sh\nfor w; do case $w in --log-error=*) echo no space > ${w#*=};; esac; done\nexit 1\n", "no space"),
])
def test_mysql_says_why_there_is_no_database(tree: MergedTree, server: str, text: str) -> None:
    tree.file("usr/sbin/mysqld", server, 0o755)
    if server is MYSQLD:
        tree.file("var/lib/mysql/import.sql")
    assert text in tree.fails("dev-db/mysql/10-data", "dev-db/mysql-8.4.5")


# A stand-in: writes as the user it is, and its arguments, where the real one puts a cluster.
INITDB = r"""#!/bin/sh
umask 077
mkdir "$2"
echo 17 > "$2/PG_VERSION"
for name in postgresql pg_hba pg_ident; do echo "$* $(id -un)" > "$2/$name.conf"; done
"""


def test_postgresql_has_a_cluster_of_the_newest_slot(tree: MergedTree) -> None:
    for slot in ("9.6", "16", "17"):
        tree.file(f"usr/lib64/postgresql-{slot}/bin/initdb", INITDB, 0o755)
        tree.unit(f"postgresql-{slot}.service")
    tree.file("etc/postgresql-17/psqlrc")
    tree.link("usr/bin/psql", "../lib64/postgresql-17/bin/psql")
    tree.stand_in("eselect")
    upper = tree.run("dev-db/postgresql/10-data", "dev-db/postgresql-16.9")
    data = upper / "var/lib/postgresql/17/data"
    assert owner(data) == (0o700, 70, 70) == owner(data.parent)
    assert (data / "PG_VERSION").read_text() == "17\n" and not (data.parent / "data.new").exists()
    for name in ("postgresql", "pg_hba", "pg_ident"):
        assert os.readlink(data / f"{name}.conf") == f"/etc/postgresql-17/{name}.conf"
        assert owner(upper / f"etc/postgresql-17/{name}.conf") == (0o600, 70, 70)
    made = (upper / "etc/postgresql-17/pg_hba.conf").read_text()
    assert "--auth-local=peer --auth-host=scram-sha-256" in made and made.endswith(" postgres\n")
    assert os.readlink(upper / "etc/postgresql") == "postgresql-17"
    assert os.readlink(upper / "usr/lib/systemd/system/postgresql.service") == "postgresql-17.service"
    assert (upper / "usr/bin/psql").is_symlink()
    assert (upper / "var/calls").read_text() == "eselect postgresql set 17\n" * 2


def test_postgresql_without_a_server(tree: MergedTree) -> None:
    tree.file("usr/lib64/postgresql-17/bin/psql", "", 0o755)
    tree.stand_in("eselect")
    upper = tree.run("dev-db/postgresql/10-data", "dev-db/postgresql-17.6")
    assert not (upper / "var/lib/postgresql").exists() and not (upper / "usr/lib/systemd").exists()


@pytest.mark.parametrize("queue", [True, False])
def test_postfix_has_its_queue(tree: MergedTree, *, queue: bool) -> None:
    tree.stand_in("postfix", "mkdir -p /var/spool/postfix/maildrop; chmod 730 /var/spool/postfix/maildrop")
    if queue:
        tree.file("var/spool/postfix/maildrop/.keep").parent.chmod(0o730)
    else:
        tree.file("var/spool/postfix/.keep")
    upper = tree.run("mail-mta/postfix/10-spool")
    assert owner(upper / "var/spool/postfix/maildrop")[0] == 0o730
    assert (upper / "var/calls").exists() is not queue


def test_nullmailer_has_its_spool_and_pipe(tree: MergedTree) -> None:
    os.mkfifo(tree.file("var/spool/nullmailer/queue/.keep").parents[1] / "trigger")
    tree.file("etc/nullmailer/remotes", "mail smtp --pass=x")
    upper = tree.run("mail-mta/nullmailer/10-spool")
    spool = upper / "var/spool/nullmailer"
    for name in ("tmp", "queue", "failed"):
        assert owner(spool / name) == (0o770, 88, 88)
    assert stat.S_ISFIFO((spool / "trigger").lstat().st_mode) and owner(spool / "trigger") == (0o660, 88, 88)
    assert owner(upper / "etc/nullmailer/remotes") == (0o640, 0, 88)
