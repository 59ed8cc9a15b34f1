# SPDX-License-Identifier: MIT
"""Command lines for groups and users."""

from __future__ import annotations

from pathlib import Path

from genpack.model import Group, User

from genpack import accounts


def test_groups() -> None:
    assert accounts.group_command(Group("g"), ()) == ["groupadd", "g"]
    assert accounts.group_command(Group("g", 5), ()) == ["groupadd", "--gid", "5", "g"]
    assert accounts.group_command(Group("g"), {"g"}) is None
    assert accounts.group_command(Group("g", 5), {"g"}) == ["groupmod", "--gid", "5", "g"]


def test_a_new_user_with_everything() -> None:
    user = User("u", 0, "A B", "/h", "/bin/sh", "g", ("a", "b"), True, True)
    assert accounts.user_command(user, ()) == [
        *("useradd", "--create-home", "--uid", "0", "--comment", "A B", "--home-dir", "/h", "--shell", "/bin/sh"),
        *("--gid", "g", "--groups", "a,b", "--password", "", "u"),
    ]
    assert accounts.user_command(User("u", create_home=False), ()) == ["useradd", "--no-create-home", "u"]


def test_a_user_that_exists() -> None:
    assert accounts.user_command(User("root"), {"root"}) is None
    user = User("root", shell="/bin/zsh", additional_groups=("wheel",), empty_password=True)
    assert accounts.user_command(user, {"root"}) == [
        *("usermod", "--append", "--shell", "/bin/zsh", "--groups", "wheel", "--password", "", "root")
    ]


def test_names(tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("root:x:0:0::/root:/bin/sh\n\nbroken\nu:x:1:1::/:/\n")
    assert accounts.names(tmp_path / "passwd") == {"root", "u"}
    assert accounts.names(tmp_path / "gone") == set()


def test_a_new_user_takes_the_group_of_its_name_that_is_there() -> None:
    assert accounts.user_command(User("a"), [], ["a", "b"]) == ["useradd", "--create-home", "--gid", "a", "a"]
    other = accounts.user_command(User("a", initial_group="b"), [], ["a", "b"])
    assert other == ["useradd", "--create-home", "--gid", "b", "a"]
    assert accounts.user_command(User("a"), ["a"], ["a"]) is None
