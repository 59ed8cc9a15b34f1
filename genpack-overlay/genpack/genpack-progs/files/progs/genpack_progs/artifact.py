# SPDX-License-Identifier: MIT
"""Build scripts that an artifact brings: /build, /build.d/* and /build.d/USER/*."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import ProgsError, UsageError
from .log import say
from .process import Account, explain, run

INTERPRETERS = {".sh": "/bin/sh", ".py": "python3"}


@dataclass(frozen=True)
class Step:
    """One build script: how to run it, as whom (a user's name)."""

    path: Path
    argv: tuple[str, ...]
    user: str


def plan(root: Path) -> list[Step]:
    """List the build scripts below `root` in the order they run. Raises UsageError for one that can't be run."""
    steps = []
    single = root / "build"
    if single.is_file():
        steps.append(_step(single, "root"))
    folder = root / "build.d"
    if not folder.is_dir():
        return steps
    steps += [_step(path, "root") for path in _sorted(folder) if not path.is_dir()]
    for user in (path for path in _sorted(folder) if path.is_dir()):
        for path in _sorted(user):
            if path.is_dir():
                raise UsageError(f"{path} is a folder: below {user} there are only the scripts of the user {user.name}")
            steps.append(_step(path, user.name))
    return steps


def execute(steps: list[Step], environment: Mapping[str, str]) -> None:
    """Run the steps in turn; the first that fails ends it with a ProgsError."""
    accounts = {user: _account(user) for user in {step.user for step in steps}}
    for step in steps:
        entry, account = accounts[step.user]
        say(f"build script {step.path}" + (f" as {step.user}" if step.user != "root" else ""))
        env = {**environment, "HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name,
               "SHELL": entry.pw_shell or "/bin/sh"}
        status = run(step.argv, env=env, account=account)
        if status != 0:
            raise ProgsError(f"build script {step.path} {explain(status)}")


def _sorted(folder: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda p: os.fsencode(p.name))


def _step(path: Path, user: str) -> Step:
    if not path.is_file():
        raise UsageError(f"build script {path} is not a file")
    if path.stat().st_mode & 0o111:
        return Step(path, (os.fspath(path),), user)
    interpreter = INTERPRETERS.get(path.suffix)
    if interpreter is None:
        raise UsageError(f"build script {path} is neither executable nor named *.sh or *.py", tip=f"chmod +x {path}")
    return Step(path, (interpreter, os.fspath(path)), user)


def _account(user: str) -> tuple[pwd.struct_passwd, Account]:
    try:
        entry = pwd.getpwnam(user)
    except KeyError as e:
        raise UsageError(
            f"/build.d/{user} is named after a user that does not exist", tip="add the user to the definition's users",
        ) from e
    return entry, Account(entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(user, entry.pw_gid)))
