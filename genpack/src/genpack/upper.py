# SPDX-License-Identifier: MIT
"""The upper phase, always from empty: package scripts, accounts, files/, build scripts, commands, services, copy-up,
keys of system.ini."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from genpack import accounts, files, process
from genpack.container import Container, overlay
from genpack.model import Definition
from genpack.steps import Steps
from genpack.workdir import WorkDir

#: Copies files/ in the container, where the tree's own links (/bin -> usr/bin) lead to the right place. Folders that
#: are there keep their owner and permissions. One time for all files: a checkout's times mean nothing.
_COPY = (
    "set -o pipefail; tar --directory=/mnt/host/files --owner=0 --group=0 --numeric-owner --sort=name"
    ' --mtime="@$SOURCE_DATE_EPOCH" --create --file=- . |'
    " tar --directory=/ --extract --file=- --preserve-permissions --same-owner --keep-directory-symlink"
    " --no-overwrite-dir"
)

#: Lists the keys of system.ini that the plugins of an image read.
_INIT = "usr/bin/genpack-init"
#: Of the upper alone, in place of the artifact's folder: a plugin of the lower layer is not in the image.
_KEYS = "genpack-init check --json --root /mnt/host >/.genpack/system_ini.json"


@dataclass(frozen=True)
class Copied:
    """What genpack-copyup says: packages in the closure, files and bytes copied."""

    packages: int
    files: int
    bytes: int


@dataclass(frozen=True)
class Upper:
    """What the phase needs. `container` runs in the merged tree; `commit` is empty if it is not asked for."""

    work: WorkDir
    artifact: Path
    definition: Definition
    container: Container
    commit: str

    def run(self, steps: Steps) -> Copied:
        """The whole phase."""
        devel = ["--devel"] if self.definition.devel else []
        with overlay(self.work) as merged:
            with steps.step("package scripts"):
                program = "genpack-exec-package-scripts"
                self._run(steps, [program, *devel], program, network=False)
            if self.commit:
                (merged / ".genpack/commit-id").write_text(f"{self.commit}\n")
            self._accounts(steps, merged)
            if (self.artifact / "files").is_dir():
                with steps.step("copy files/"):
                    self._run(steps, ["bash", "-c", _COPY], "copying files/")
                with steps.step("build scripts"):
                    self._run(steps, ["execute-artifact-build-scripts"], "execute-artifact-build-scripts")
            for command in self.definition.setup_commands:
                with steps.step(f"setup command: {_short(command)}"):
                    self._run(steps, ["sh", "-c", command], f"setup command '{_short(command)}'")
            if self.definition.services:
                with steps.step("enable services"):
                    command_line = ["systemctl", "--root=/", "enable", *self.definition.services]
                    self._run(steps, command_line, "systemctl enable")
            with steps.step("copy-up"):
                numbers = self._run(steps, ["genpack-copyup", *devel], "genpack-copyup")
            if (self.work.upper / _INIT).is_file():
                with steps.step("keys of system.ini"):
                    image = replace(self.container, read_only=[(self.work.upper, "/mnt/host")], writable=[])
                    argv = image.argv(["sh", "-c", _KEYS], network=False, tmpfs=["/var/tmp"])
                    steps.command(argv, what="genpack-init check")
            files.sync_filesystem(self.work.upper)
        return Copied(numbers.get("packages", 0), numbers.get("files", 0), numbers.get("bytes", 0))

    def _accounts(self, steps: Steps, merged: Path) -> None:
        for group in self.definition.groups:
            command = accounts.group_command(group, accounts.names(merged / "etc/group"))
            if command:
                with steps.step(f"group {group.name}"):
                    self._run(steps, command, f"{command[0]} {group.name}")
        for user in self.definition.users:
            groups = accounts.names(merged / "etc/group")
            command = accounts.user_command(user, accounts.names(merged / "etc/passwd"), groups)
            if command:
                with steps.step(f"user {user.name}"):
                    self._run(steps, command, f"{command[0]} {user.name}")

    def _run(self, steps: Steps, command: list[str], what: str, *, network: bool = True) -> dict[str, int]:
        # Package scripts may replace /etc/resolv.conf, which they can't while the host's is mounted on it.
        argv = self.container.argv(command, network=network, tmpfs=["/var/tmp"])
        return steps.command(argv, what=what)


def commit_id(artifact: Path) -> str:
    """The commit of the artifact's repository, `-dirty` if files of the artifact differ from it."""
    git: list[str | Path] = ["git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-C", artifact]
    commit = process.run([*git, "rev-parse", "HEAD"]).stdout.decode().strip()
    status = process.run([*git, "status", "--porcelain", "--", ".", ":!work"]).stdout
    return f"{commit}-dirty" if status.strip() else commit


def _short(command: str) -> str:
    first = command.strip().splitlines()[0]
    return first if len(first) <= 50 else first[:47] + "..."
