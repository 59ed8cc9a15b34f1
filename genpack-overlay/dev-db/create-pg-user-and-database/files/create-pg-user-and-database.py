#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Make a PostgreSQL user and a database that belongs to it, unless they exist; fill a new database by COMMAND."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

# psql quotes the names, and \gexec runs what a query gives, if it gives anything.
SQL = r"""
SELECT count(*) FROM pg_database WHERE datname = :'database';
SELECT format('CREATE ROLE %I LOGIN', :'user') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'user') \gexec
"""
PASSWORD = r"""\set password '{}'
SELECT format('ALTER ROLE %I PASSWORD %L', :'user', :'password') \gexec
"""
DATABASE = r"""
SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'user')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
"""


def fail(text: str):
    """End with one line."""
    sys.exit(f"create-pg-user-and-database: error: {text}")


def name(text: str) -> str:
    """A name as PostgreSQL keeps it whole."""
    if not text or "\0" in text or len(text.encode()) > 63:
        raise argparse.ArgumentTypeError("a name of 1 to 63 bytes is wanted")
    return text


def read_password(path: Path) -> str:
    """The one line of a file; - is standard input."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        fail(f"{path}: {getattr(e, 'strerror', None) or 'is not text'}")
    password = text.removesuffix("\n")
    if not password or "\n" in password or "\0" in password:
        fail(f"{path}: one line with the password is wanted")
    return password


def psql(user: str, database: str, password: str | None) -> bool:
    """Run the statements; True if the database is new. The password is in no argument list."""
    # The server knows a local user by who it is, and root has no role.
    become = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    argv = [*become, "psql", "-X", "-q", "-A", "-t", "-d", "postgres", "-v", "ON_ERROR_STOP=1",
            "-v", f"user={user}", "-v", f"database={database}"]  # fmt: skip
    secret = "" if password is None else PASSWORD.format(password.replace("\\", "\\\\").replace("'", "''"))
    try:
        done = subprocess.run(argv, input=SQL + secret + DATABASE, capture_output=True, text=True, check=False, cwd="/")
    except OSError as e:
        fail(f"{argv[0]} can't be started: {e.strerror}")
    if done.returncode != 0:
        fail("\n  ".join(["psql:", *done.stderr.strip().splitlines()[-3:]]))
    return done.stdout.split()[:1] == ["0"]


def main() -> None:
    """Makes what is missing, then runs the command."""
    parser = argparse.ArgumentParser(prog="create-pg-user-and-database", description=__doc__)
    parser.add_argument("user", type=name, help="role that can log in")
    parser.add_argument("database", type=name, help="its database")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="run if the database is new")
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="one line; - is standard input")
    options = parser.parse_args()
    password = None if options.password_file is None else read_password(options.password_file)
    new = psql(options.user, options.database, password)
    print(f"{options.database}: {'made' if new else 'exists'}", flush=True)
    if not (new and options.command):
        return
    try:
        status = subprocess.run(options.command, check=False).returncode
    except OSError as e:
        fail(f"{options.command[0]} can't be started: {e.strerror}; the database is made, and empty")
    if status != 0:
        fail(f"{options.command[0]} ended with status {status}; the database stays as it left it")


if __name__ == "__main__":
    main()
