# SPDX-License-Identifier: MIT
"""A MySQL or MariaDB server for the time of a build script: on a socket alone, and stopped on every way out."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from . import process
from .errors import ProgsError, UsageError
from .log import say

#: Seconds that a server has to answer, and to stop.
START, STOP = 120, 120
PAUSE = 0.1
ZONES = "/usr/share/zoneinfo"
#: MySQL's plugins. A server that has none of what its accounts name refuses them.
PLUGINS = ("/usr/lib64/mysql/plugin", "/usr/lib/mysql/plugin")
AUTH_SOCKET = "auth_socket.so"


@dataclass(frozen=True)
class Tools:
    """The programs of what is installed, as PATH finds them."""

    mariadb: bool
    server: str
    admin: str
    client: str
    zones: str | None


def find_tools() -> Tools:
    """MariaDB's programs if there is a mariadbd, else MySQL's. Raises ProgsError that names what is missing."""
    server = shutil.which("mariadbd") or shutil.which("mysqld")
    if server is None:
        raise ProgsError("there is neither mysqld nor mariadbd", tip="name dev-db/mysql or dev-db/mariadb in packages")
    mariadb = os.path.basename(os.path.realpath(server)) == "mariadbd"
    names = ("mariadb-admin", "mariadb", "mariadb-tzinfo-to-sql") if mariadb else (
        "mysqladmin", "mysql", "mysql_tzinfo_to_sql")
    admin, client, zones = (shutil.which(name) for name in names)
    if admin is None or client is None:
        missing = names[0] if admin is None else names[1]
        raise ProgsError(f"there is {server}, but no {missing}, which is needed to talk to it")
    return Tools(mariadb, server, admin, client, zones)


def with_auth_socket(tools: Tools, plugins: Sequence[str]) -> tuple[str, ...]:
    """The plugins to load: MySQL's root may be known by the socket alone. MariaDB has that built in."""
    there = any(os.path.exists(os.path.join(folder, AUTH_SOCKET)) for folder in PLUGINS)
    more = [] if tools.mariadb or not there or AUTH_SOCKET in plugins else [AUTH_SOCKET]
    return (*more, *plugins)


@dataclass(frozen=True)
class Server:
    """Where a server works. As root it is run as the user mysql."""

    tools: Tools
    datadir: str
    socket: str
    plugins: tuple[str, ...] = ()

    def argv(self) -> list[str]:
        """The server's command line; no configuration file of the image is read."""
        return [self.tools.server, "--no-defaults", *self._common(), f"--socket={self.socket}", "--skip-networking",
                "--skip-log-bin", "--max-allowed-packet=8M", *(f"--plugin-load-add={name}" for name in self.plugins)]

    def init_argv(self) -> list[str]:
        """What makes an empty data folder, in which root has no password."""
        if self.tools.mariadb:
            return ["mariadb-install-db", "--no-defaults", *self._common()]
        return [self.tools.server, "--no-defaults", *self._common(), "--initialize-insecure", "--skip-log-bin"]

    def client_argv(self, program: str, *words: str) -> list[str]:
        return [program, "--no-defaults", f"--socket={self.socket}", "--user=root", *words]

    def _common(self) -> list[str]:
        return ["--basedir=/usr", f"--datadir={self.datadir}", *(["--user=mysql"] if os.geteuid() == 0 else [])]

    def prepare(self) -> bool:
        """Make the data if there is none yet, and say whether that was so."""
        _own_folder(self.datadir, 0o750)
        names = os.listdir(self.datadir)
        if "mysql" in names:
            return False
        if names:
            raise UsageError(f"{self.datadir} has files, but no database", tip="empty it, or name another --datadir")
        say(f"making a new database in {self.datadir}")
        done = False
        try:
            status, _, said = process.transform(self.init_argv(), b"", needed_to="make a database")
            if status:
                raise ProgsError(f"{os.path.basename(self.init_argv()[0])} {process.explain(status)}{_last(said)}")
            done = True
        finally:
            if not done:  # half a database would look like one the next time
                for name in os.listdir(self.datadir):
                    path = os.path.join(self.datadir, name)
                    shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        return True

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start the server, wait until it answers; afterwards stop it and wait for its end."""
        if self._listening():
            raise ProgsError(f"a server listens on {self.socket} already", tip="stop it, or name another --socket")
        _own_folder(os.path.dirname(self.socket), 0o755)
        with tempfile.TemporaryFile() as log:
            with process.daemon(self.argv(), log=log, patience=STOP) as server:
                self._wait(server, log)
                yield
            if server.returncode:
                raise ProgsError(f"the server {process.explain(server.returncode)} at its end{_tail(log)}")

    def _wait(self, server: process.Daemon, log: IO[bytes]) -> None:
        deadline = time.monotonic() + START
        ping = self.client_argv(self.tools.admin, "ping")
        while True:
            if (status := server.poll()) is not None:
                raise ProgsError(f"the server {process.explain(status)} before it answered{_tail(log)}")
            if process.output(ping, needed_to="talk to the server")[0] == 0:
                return
            if time.monotonic() > deadline:
                raise ProgsError(f"the server does not answer on {self.socket} after {START} seconds{_tail(log)}")
            time.sleep(PAUSE)

    def load_zones(self) -> None:
        """Fill the tables of time zones, if the image has these and the program for it."""
        if self.tools.zones is None or not os.path.isdir(ZONES):
            return
        status, sql, said = process.transform([self.tools.zones, ZONES], b"", needed_to="load time zones")
        if status == 0:
            words = self.client_argv(self.tools.client, "mysql")
            status, _, said = process.transform(words, sql, needed_to="load time zones")
        if status:
            raise ProgsError(f"the time zones cannot be loaded{_last(said)}")

    def _listening(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(self.socket)
            except OSError:
                return False
        return True


def run_commands(commands: Sequence[str], server: Server) -> None:
    """Run each by the shell, in the working folder, with this program's input; the first that fails is the last."""
    env = {**os.environ, "MYSQL_UNIX_PORT": server.socket}  # clients connect to that by default
    for command in commands:
        status = process.run(["/bin/sh", "-c", command], env=env, cwd=os.getcwd(), own_input=True)
        if status:
            raise ProgsError(f"{command!r} {process.explain(status)}")


def _own_folder(path: str, mode: int) -> None:
    """Make a folder that is the server's; one that exists stays as it is."""
    try:
        if not os.path.isdir(path):
            os.makedirs(path, mode)
            if os.geteuid() == 0:
                shutil.chown(path, "mysql", "mysql")
    except LookupError as e:
        os.rmdir(path)
        raise ProgsError("there is no user or group mysql for the server to run as") from e
    except OSError as e:
        raise ProgsError(f"{path}: {e.strerror}") from e


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    return _last(log.read().decode("utf-8", "replace"))


def _last(said: str) -> str:
    """The last three lines of what a program said, in an error."""
    return "".join(f"\n  {line}" for line in said.strip().splitlines()[-3:])
