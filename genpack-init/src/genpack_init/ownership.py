# SPDX-License-Identifier: MIT
"""chown, chgrp and chmod by name, from the passwd and group files of the root (systemd's own users are not up yet)."""

from __future__ import annotations

import errno
import logging
import os
import re
import stat
from collections.abc import Callable, Iterator

from genpack_init.errors import GenpackInitError
from genpack_init.paths import text_path

TYPE_CHECKING = False  # true for type checkers; importing typing costs 5 ms of each boot
if TYPE_CHECKING:
    Name = str | os.PathLike[str]

SYMBOLIC = re.compile(r"([ugoa]*)([+=-])([rwxXst]*|[ugo])\Z")
BITS = {"u": 0o4700, "g": 0o2070, "o": 0o1007}
ALL = 0o7777


def accounts(file: str) -> Iterator[list[str]]:
    """The fields of every line of /etc/`file` (passwd, group, shadow) of the root."""
    try:
        with open(text_path(f"etc/{file}"), encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                fields = line.rstrip("\n").split(":")
                if len(fields) > 2 and not line.startswith("#"):
                    yield fields
    except FileNotFoundError:
        return


def _lookup(file: str, name: str) -> list[str]:
    for fields in accounts(file):
        if fields[0] == name:
            return fields
    if name.isdecimal():
        return [name, "", name, "-1"]
    raise GenpackInitError(f"no such {'user' if file == 'passwd' else 'group'}: {name}")


def _each(paths: tuple[Name, ...], recursive: bool, action: Callable[[str], None]) -> None:
    for path in paths:
        action(os.fspath(path))
        if recursive and not os.path.islink(path):
            for folder, folders, files in os.walk(path):
                for name in folders + files:
                    action(os.path.join(folder, name))


def chown(user: str, *paths: Name, group: str | None = None, recursive: bool = False, check: bool = False) -> int:
    """Give `paths` to `user` (a name or a number), and to `group` if given; links themselves, not their targets.

    0, or an errno (EINVAL: no such user or group) with a warning in the log; the first failure ends it. `check=True`
    raises instead: GenpackInitError for an unknown name, OSError.
    """

    def change() -> None:
        uid = int(_lookup("passwd", user)[2])
        gid = -1 if group is None else int(_lookup("group", group)[2])
        _each(paths, recursive, lambda path: os.chown(path, uid, gid, follow_symlinks=False))

    return _status("chown", change, check)


def chgrp(
    *arguments: Name, group: str | None = None, user: str | None = None, recursive: bool = False, check: bool = False
) -> int:
    """`chgrp(group, *paths)`. The group may also be the keyword `group`, or `user` as it was once misnamed.

    Returns and raises what `chown` does; TypeError without a group.
    """
    name = group if group is not None else user
    if name is None:
        if not arguments:
            raise TypeError("chgrp: the group is missing")
        name, arguments = os.fspath(arguments[0]), arguments[1:]
    group_name, paths = name, arguments

    def change() -> None:
        gid = int(_lookup("group", group_name)[2])
        _each(paths, recursive, lambda path: os.chown(path, -1, gid, follow_symlinks=False))

    return _status("chgrp", change, check)


def chmod(mode: str | int, *paths: Name, recursive: bool = False, check: bool = False) -> int:
    """Set the mode: a number (0o755), octal text ("755") or as chmod(1) has it ("u+rw,go-w", "a=rX").

    Symbolic links are left alone. Returns and raises what `chown` does (EINVAL: not a mode).
    """

    def one(path: str) -> None:
        info = os.lstat(path)
        if not stat.S_ISLNK(info.st_mode):
            os.chmod(path, new_mode(mode, stat.S_IMODE(info.st_mode), stat.S_ISDIR(info.st_mode)))

    return _status("chmod", lambda: _each(paths, recursive, one), check)


def _status(name: str, action: Callable[[], None], check: bool) -> int:
    """0 or an errno, as existing plugins expect; with `check` what `action` raises comes out."""
    try:
        action()
    except (GenpackInitError, OSError) as error:
        if check:
            raise
        logging.warning("%s: %s", name, error)
        return getattr(error, "errno", None) or errno.EINVAL
    return 0


def new_mode(mode: str | int, old: int, is_folder: bool) -> int:
    """The permission bits that `mode` makes of `old`."""
    if isinstance(mode, int):
        return mode & ALL
    if re.fullmatch(r"[0-7]{1,4}", mode):
        return int(mode, 8)
    for clause in mode.split(","):
        found = SYMBOLIC.match(clause)
        if not found:
            raise GenpackInitError(f"not a mode: {mode}")
        who, sign, letters = found.groups()
        mask = ALL if not who or "a" in who else _union(BITS[letter] for letter in who)
        bits = _permissions(letters, old, is_folder) & (mask | 0o1000)
        old = old | bits if sign == "+" else old & ~bits if sign == "-" else (old & ~mask) | bits
    return old


def _union(values: Iterator[int]) -> int:
    result = 0
    for value in values:
        result |= value
    return result


def _permissions(letters: str, old: int, is_folder: bool) -> int:
    if letters and letters in "ugo":  # copy another class's bits
        return (old >> {"u": 6, "g": 3, "o": 0}[letters] & 7) * 0o111
    bits = {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000}
    bits["X"] = 0o111 if is_folder or old & 0o111 else 0
    return _union(bits[letter] for letter in letters)
