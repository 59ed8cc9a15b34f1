# SPDX-License-Identifier: MIT
"""What a command may leave behind: mounts, loop devices, processes, half files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


def mounts_below(folder: Path) -> list[str]:
    """Mount points at or below `folder`."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [p for p in points if p == str(folder) or p.startswith(f"{folder}/")]


def loops_below(folder: Path) -> list[str]:
    """Files below `folder` that are attached to a loop device."""
    files = [p.read_text().strip() for p in Path("/sys/block").glob("loop*/loop/backing_file")]
    return [f for f in files if f.startswith(f"{folder}/")]


def processes_below(folder: Path) -> list[str]:
    """Processes with their root, working folder or an argument below `folder`: "PID COMMAND"."""
    found = []
    for proc in Path("/proc").iterdir():
        if not proc.name.isdigit() or int(proc.name) == os.getpid():
            continue
        try:
            command = (proc / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            places = [os.readlink(proc / "root"), os.readlink(proc / "cwd")]
        except OSError:
            continue  # it ended, or is a kernel thread
        if any(p.startswith(str(folder)) for p in places) or str(folder) in command:
            found.append(f"{proc.name} {command}")
    return found


def commands_running(words: str) -> list[int]:
    """Process ids, seen from here, of what runs with exactly this command line (container processes too)."""
    found = []
    for proc in Path("/proc").iterdir():
        if proc.name.isdigit():
            try:
                line = (proc / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if line == words:
                found.append(int(proc.name))
    return found


def check_nothing_left(folder: Path) -> None:
    """A test failure that names what is still mounted, attached or running below `folder`."""
    left = {
        "mounted": mounts_below(folder),
        "attached to a loop device": loops_below(folder),
        "running": processes_below(folder),
    }
    assert not any(left.values()), left


@dataclass(frozen=True)
class Family:
    """A process with all that it started: (process id, start time) of each, and the mount namespaces they are in that
    are not ours. A container's processes are known by the latter."""

    members: frozenset[tuple[int, str]]
    namespaces: frozenset[str]

    def left(self) -> list[str]:
        """Those that still run, and what else runs in the namespaces: "PID COMMAND"."""
        found = []
        for number, entry in _processes().items():
            if (number, entry.started) in self.members or entry.namespace in self.namespaces:
                found.append(f"{number} {entry.command}")
        return found


@dataclass(frozen=True)
class _Process:
    parent: int
    started: str
    namespace: str
    command: str


def _processes() -> dict[int, _Process]:
    """Every process that has not ended."""
    found = {}
    for proc in Path("/proc").iterdir():
        if not proc.name.isdigit():
            continue
        try:
            state, parent, *rest = (proc / "stat").read_text().rpartition(") ")[2].split()
            namespace = os.readlink(proc / "ns/mnt")
            command = (proc / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if state != "Z":
            found[int(proc.name)] = _Process(int(parent), rest[17], namespace, command)
    return found


def family(number: int) -> Family:
    """The process and its descendants as they are now."""
    everyone = _processes()
    numbers, fresh = set(), {number} & everyone.keys()
    while fresh:
        numbers |= fresh
        fresh = {child for child, entry in everyone.items() if entry.parent in fresh}
    ours = os.readlink("/proc/self/ns/mnt")
    members = frozenset((each, everyone[each].started) for each in numbers)
    return Family(members, frozenset(everyone[each].namespace for each in numbers) - {ours})
