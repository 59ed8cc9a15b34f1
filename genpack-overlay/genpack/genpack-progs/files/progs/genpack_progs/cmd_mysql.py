# SPDX-License-Identifier: MIT
"""with-mysql: run commands while a database server runs."""

from __future__ import annotations

import argparse
import os

from .mysql import Server, find_tools, run_commands, with_auth_socket

PROG = "with-mysql"
DATADIR = "/var/lib/mysql"
SOCKET = "/run/mysqld/mysqld.sock"


def command(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog=PROG, description="Start MySQL or MariaDB on a socket, run each COMMAND by the shell, stop the server. "
        "Data that is not there yet is made first.")
    parser.add_argument("--datadir", metavar="DIR", default=DATADIR, help=f"the server's data (default: {DATADIR})")
    parser.add_argument("--socket", metavar="PATH", default=SOCKET, help=f"where it listens (default: {SOCKET})")
    parser.add_argument("--mysql-plugin", metavar="NAME", action="append", default=[], help="plugin that the server is "
                        "to load; can be given several times")
    parser.add_argument("commands", nargs="+", metavar="COMMAND", help="one word: quote it")
    args = parser.parse_args(argv)
    tools = find_tools()
    plugins = with_auth_socket(tools, args.mysql_plugin)
    server = Server(tools, os.path.abspath(args.datadir), os.path.abspath(args.socket), plugins)
    new = server.prepare()
    with server.running():
        if new:
            server.load_zones()
        run_commands(args.commands, server)
