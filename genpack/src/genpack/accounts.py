# SPDX-License-Identifier: MIT
"""groupadd, useradd and their kin: the command lines that make the definition's groups and users."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from genpack.model import Group, User


def names(table: Path) -> set[str]:
    """The names in a passwd or group file."""
    if not table.is_file():
        return set()
    return {line.split(":", 1)[0] for line in table.read_text(errors="replace").splitlines() if ":" in line}


def group_command(group: Group, existing: Collection[str]) -> list[str] | None:
    """Makes a group, or gives one that exists its gid; None if nothing is to be done."""
    gid = [] if group.gid is None else ["--gid", str(group.gid)]
    if group.name not in existing:
        return ["groupadd", *gid, group.name]
    return ["groupmod", *gid, group.name] if gid else None


def user_command(user: User, existing: Collection[str], groups: Collection[str] = ()) -> list[str] | None:
    """Makes a user, or changes one that exists (a package's, root) to what is given; None if nothing is to be done. A
    new user whose name is one of `groups` gets that group: useradd refuses to make a second one."""
    own_group = user.name if user.name in groups and user.name not in existing else None
    words: list[str] = []
    for option, value in (
        ("--uid", user.uid),
        ("--comment", user.comment),
        ("--home-dir" if user.name not in existing else "--home", user.home),
        ("--shell", user.shell),
        ("--gid", user.initial_group or own_group),
    ):
        if value is not None:
            words += [option, str(value)]
    if user.additional_groups:
        words += ["--groups", ",".join(user.additional_groups)]
    if user.empty_password:
        words += ["--password", ""]
    if user.name not in existing:
        return ["useradd", "--create-home" if user.create_home else "--no-create-home", *words, user.name]
    if user.additional_groups:
        words.insert(0, "--append")
    return ["usermod", *words, user.name] if words else None
