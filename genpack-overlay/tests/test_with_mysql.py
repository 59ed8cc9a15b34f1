# SPDX-License-Identifier: MIT
"""with-mysql with programs in the places of the server's.

The real ones are not here: neither MySQL nor MariaDB is a package of the local mirror, and the tests' machine installs
no database server. So these tests show what is run, in which order and how it ends, and not that a server of some
version takes these options.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROGS, Fake
from genpack_progs import cmd_mysql, mysql
from genpack_progs.errors import ProgsError

PROGRAM = [sys.executable, str(PROGS / "bin/with-mysql")]
AS_MYSQL = ["--user=mysql"] if os.geteuid() == 0 else []

# Writes what happens, in order, to the file "story". Its wait ends when a signal comes.
SERVER = """
case "$*" in *--initialize-insecure*) {init}; exit;; esac
trap 'echo stopped >> {story}; rm -f {up}; kill $!; exit {end}' TERM
echo started >> {story}
{start}
touch {up}
sleep 1000 &
wait
"""


class Place:
    """Data, socket and story of one test, with MySQL's programs on PATH."""

    def __init__(self, path: Path, fake: Fake) -> None:
        self.path, self.fake = path, fake
        self.data, self.socket = path / "data", path / "run.sock"
        self.data.mkdir()
        self.admin = fake("mysqladmin", f"test -e {path}/up")
        self.client = fake("mysql", f"cat >> {path}/sql")
        self.zones = fake("mysql_tzinfo_to_sql", "echo 'insert zones;'")

    def server(self, name: str = "mysqld", *, init: str | None = None, start: str = "", end: int = 0) -> Path:
        init = init or f"mkdir {self.data}/mysql; echo made >> {self.path}/story"
        return self.fake(name, SERVER.format(init=init, story=self.path / "story", up=self.path / "up", start=start,
                                             end=end))

    def argv(self, *argv: str) -> list[str]:
        return [*PROGRAM, "--datadir", str(self.data), "--socket", str(self.socket), *argv]

    def run(self, *argv: str, text: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(self.argv(*argv), cwd=self.path, input=text, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        return done

    def tell(self, word: str) -> str:
        """A shell command that adds a word to the story."""
        return f"echo {word} >> {self.path}/story"

    @property
    def story(self) -> list[str]:
        return (self.path / "story").read_text().split() if (self.path / "story").exists() else []


@pytest.fixture
def place(tmp_path: Path, fake: Fake) -> Place:
    (tmp_path / "place").mkdir()
    return Place(tmp_path / "place", fake)


def test_new_data_commands_and_the_end(place: Place) -> None:
    calls = place.server()
    done = place.run("--mysql-plugin", "a.so", "--mysql-plugin", "b.so", place.tell("one"), place.tell("two"))
    assert done.returncode == 0, done.stderr
    assert place.story == ["made", "started", "one", "two", "stopped"]
    common = ["--no-defaults", "--basedir=/usr", f"--datadir={place.data}", *AS_MYSQL]
    made, started = [shlex.split(line) for line in calls.read_text().splitlines()]
    assert made == [*common, "--initialize-insecure", "--skip-log-bin"]
    assert started == [*common, f"--socket={place.socket}", "--skip-networking", "--skip-log-bin",
                       "--max-allowed-packet=8M", "--plugin-load-add=a.so", "--plugin-load-add=b.so"]
    talk = f"--no-defaults --socket={place.socket} --user=root"
    assert set(place.admin.read_text().splitlines()) == {f"{talk} ping"}
    if Path(mysql.ZONES).is_dir():
        assert place.zones.read_text() == f"{mysql.ZONES}\n"
        assert place.client.read_text() == f"{talk} mysql\n"
        assert (place.path / "sql").read_text() == "insert zones;\n"


@pytest.mark.parametrize(("mariadb", "there", "given", "loaded"), [
    (False, True, (), ("auth_socket.so",)), (False, True, ("a.so",), ("auth_socket.so", "a.so")),
    (False, True, ("auth_socket.so",), ("auth_socket.so",)), (False, False, ("a.so",), ("a.so",)),
    (True, True, (), ()),
])
def test_auth_socket_is_loaded_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mariadb: bool, there: bool,
                                           given: tuple[str, ...], loaded: tuple[str, ...]) -> None:
    """dev-db/mysql's package script makes root the machine's root by it."""
    monkeypatch.setattr(mysql, "PLUGINS", (str(tmp_path / "none"), str(tmp_path)))
    if there:
        (tmp_path / "auth_socket.so").touch()
    tools = mysql.Tools(mariadb, "server", "admin", "client", None)
    assert mysql.with_auth_socket(tools, given) == loaded


def test_the_server_is_told_of_auth_socket(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql, "PLUGINS", (str(place.path),))
    (place.path / "auth_socket.so").touch()
    (place.data / "mysql").mkdir()
    calls = place.server()
    cmd_mysql.command(["--datadir", str(place.data), "--socket", str(place.socket), "true"])
    assert calls.read_text().rstrip().endswith(" --plugin-load-add=auth_socket.so")


def test_data_that_is_there_is_used(place: Place) -> None:
    place.server()
    (place.data / "mysql").mkdir()
    assert place.run(place.tell("one")).returncode == 0
    assert place.story == ["started", "one", "stopped"]
    assert not place.zones.exists()


def test_commands_have_input_folder_and_socket(place: Place) -> None:
    place.server()
    done = place.run('cat; pwd; echo "$MYSQL_UNIX_PORT"', text="typed\n")
    assert done.stdout.split() == ["typed", str(place.path), str(place.socket)]


def test_mariadb_is_taken_if_it_is_there(place: Place) -> None:
    place.server()
    calls = place.server("mariadbd")
    install = place.fake("mariadb-install-db", f"mkdir {place.data}/mysql")
    assert "but no mariadb-admin" in place.run("true").stderr
    admin = place.fake("mariadb-admin", f"test -e {place.path}/up")
    place.fake("mariadb", "cat > /dev/null")
    done = place.run(place.tell("one"))
    assert done.returncode == 0, done.stderr
    assert place.story == ["started", "one", "stopped"]
    assert shlex.split(install.read_text()) == [
        "--no-defaults", "--basedir=/usr", f"--datadir={place.data}", *AS_MYSQL]
    assert calls.read_text().count("\n") == 1 and admin.exists() and not place.admin.exists()


def test_the_first_command_that_fails_is_the_last(place: Place) -> None:
    place.server()
    done = place.run(place.tell("one"), "exit 3", place.tell("two"))
    assert (done.returncode, place.story) == (1, ["made", "started", "one", "stopped"])
    assert done.stderr.endswith("with-mysql: error: 'exit 3' exited with status 3\n")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_program_stops_the_server(place: Place, number: int, status: int) -> None:
    place.server()
    argv = place.argv(f"{place.tell('one')}; echo ready; exec sleep 1000")
    # Tests that a shell runs in the background ignore SIGINT, and what they start would too.
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as program:
        assert program.stdout and program.stdout.readline() == "ready\n"
        program.send_signal(number)
        _, said = program.communicate()
    assert program.returncode == status and "Traceback" not in said
    assert place.story == ["made", "started", "one", "stopped"]


def test_a_server_that_does_not_come_up(place: Place) -> None:
    place.server(start="echo a; echo b; echo 'cannot lock'; echo 'Aborting'; exit 7")
    done = place.run(place.tell("one"))
    assert (done.returncode, place.story) == (1, ["made", "started"])
    assert done.stderr.endswith("error: the server exited with status 7 before it answered\n"
                                "  b\n  cannot lock\n  Aborting\n")


def test_a_server_that_never_answers_is_stopped(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.server()
    place.fake("mysqladmin", f"test -e {place.path}/up && exit 1")
    monkeypatch.setattr(mysql, "START", 0)
    server = mysql.Server(mysql.find_tools(), str(place.data), str(place.socket))
    with pytest.raises(ProgsError, match=r"does not answer on .* after 0 seconds"), server.running():
        raise AssertionError("it never answered")
    assert not (place.path / "up").exists()


def test_a_server_that_ends_badly_is_an_error(place: Place) -> None:
    place.server(end=9)
    done = place.run("true")
    assert done.returncode == 1 and "the server exited with status 9 at its end" in done.stderr


def test_a_server_that_does_not_end_is_killed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.fake("mysqld", f"trap '' TERM\necho $$ > {place.path}/up\nexec sleep 1000")
    monkeypatch.setattr(mysql, "STOP", 0.01)
    place.fake("mysqladmin", f"test -s {place.path}/up")
    server = mysql.Server(mysql.find_tools(), str(place.data), str(place.socket))
    with pytest.raises(ProgsError, match=r"mysqld does not end after 0 seconds: it was killed"), server.running():
        process = int((place.path / "up").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_half_a_database_does_not_stay(place: Place) -> None:
    place.server(init=f"mkdir {place.data}/mysql; touch {place.data}/ibdata1; echo 'no space' >&2; exit 1")
    done = place.run(place.tell("one"))
    assert done.returncode == 1 and done.stderr.endswith("mysqld exited with status 1\n  no space\n")
    assert (list(place.data.iterdir()), place.story) == ([], [])


def test_files_that_are_no_database_stay(place: Place) -> None:
    place.server()
    (place.data / "precious").touch()
    done = place.run("true")
    assert done.returncode == 2 and f"{place.data} has files, but no database" in done.stderr
    assert [path.name for path in place.data.iterdir()] == ["precious"] and place.story == []


def test_a_second_server_is_not_started(place: Place) -> None:
    place.server()
    (place.data / "mysql").mkdir()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(place.socket))
        other.listen()
        done = place.run("true")
    assert done.returncode == 1 and f"a server listens on {place.socket} already" in done.stderr
    assert place.story == []
    assert place.run("true").returncode == 0  # the socket of one that is gone is no server


def test_time_zones_that_cannot_be_loaded(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mysql, "ZONES", str(tmp_path))
    server = mysql.Server(mysql.Tools(False, "mysqld", "mysqladmin", "mysql", "mysql_tzinfo_to_sql"), "/d", "/s")
    server.load_zones()
    place.fake("mysql", "echo 'no table' >&2; exit 1")
    with pytest.raises(ProgsError, match="the time zones cannot be loaded\n  no table"):
        server.load_zones()


@pytest.mark.skipif(os.geteuid() != 0, reason="another's folder needs root")
def test_folders_that_are_made_are_the_servers(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    owners: list[tuple[str, str, str]] = []
    monkeypatch.setattr(mysql.shutil, "chown", lambda *words: owners.append(words))
    place.server(init=f"mkdir {place.path}/new/mysql")
    server = mysql.Server(mysql.find_tools(), f"{place.path}/new", f"{place.path}/run/s")
    assert server.prepare() and (place.path / "new").stat().st_mode & 0o777 == 0o750
    with server.running():
        pass
    assert owners == [(f"{place.path}/{name}", "mysql", "mysql") for name in ("new", "run")]

    def unknown(*words: str) -> None:
        raise LookupError

    monkeypatch.setattr(mysql.shutil, "chown", unknown)
    with pytest.raises(ProgsError, match="there is no user or group mysql"):
        mysql.Server(server.tools, f"{place.path}/newer", server.socket).prepare()
    assert not (place.path / "newer").exists()


def test_no_server_is_installed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(place.path))
    done = place.run("true")
    assert done.returncode == 1 and "error: there is neither mysqld nor mariadbd\ntip: " in done.stderr
    assert place.run().returncode == 2
