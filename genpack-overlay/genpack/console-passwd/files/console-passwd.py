#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Set a password that is good for a login on this machine's consoles alone, beside whatever /etc/shadow says."""

import argparse
import getpass
import os
import pwd
import sys
from pathlib import Path

from genpack_init import hash_password, is_password_of, replace_file

#: Lines USER:HASH, for root's eyes.
FILE = Path("/etc/console-passwd")


def fail(text: str):
    """End with one line."""
    sys.exit(f"console-passwd: error: {text}")


def read(path: Path) -> dict[str, str]:
    """User -> hash."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as e:
        fail(f"{path}: {getattr(e, 'strerror', None) or 'is not text'}")
    return {user: text for user, colon, text in (line.partition(":") for line in lines) if colon}


def check(path: Path) -> int:
    """For pam_exec(8): the user is in PAM_USER, the password on standard input, with a final zero byte."""
    password = os.fsdecode(sys.stdin.buffer.read().rstrip(b"\0"))
    found = read(path).get(os.environ.get("PAM_USER", ""))
    return 0 if found and password and is_password_of(password, found) else 1


def new_password(user: str) -> str:
    """Asked for twice on a terminal, else one line of standard input."""
    if not sys.stdin.isatty():
        password = sys.stdin.readline().removesuffix("\n")
    else:
        password = getpass.getpass(f"Console password of {user}: ")
        if getpass.getpass("Again: ") != password:
            fail("these were two passwords; nothing is changed")
    return password or fail("the password is empty; nothing is changed")


def main() -> None:
    """Sets, removes or checks a password."""
    parser = argparse.ArgumentParser(prog="console-passwd", description=__doc__)
    parser.add_argument("--file", type=Path, default=FILE, help="where the hashes are (default: %(default)s)")
    parser.add_argument("--delete", action="store_true", help="remove the user's console password")
    parser.add_argument("--check", action="store_true", help="for PAM: is standard input the password of $PAM_USER?")
    parser.add_argument("user", nargs="?", default="root", help="default: %(default)s")
    options = parser.parse_args()
    if options.check:
        sys.exit(check(options.file))
    known = read(options.file)
    if options.delete:
        if known.pop(options.user, None) is None:
            fail(f"{options.user} has no console password")
    else:
        try:
            pwd.getpwnam(options.user)
        except KeyError:
            fail(f"there is no user {options.user}")
        known[options.user] = hash_password(new_password(options.user))
    try:
        replace_file(options.file, "".join(f"{user}:{text}\n" for user, text in known.items()), 0o600)
    except OSError as e:
        fail(f"{options.file}: {e.strerror}")


if __name__ == "__main__":
    main()
