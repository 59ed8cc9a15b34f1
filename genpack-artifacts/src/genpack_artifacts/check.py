# SPDX-License-Identifier: MIT
"""Checks of an artifact: its README, its definition (by `genpack check`), its scripts and units."""

from __future__ import annotations

import configparser
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from genpack_artifacts import artifacts, files, process
from genpack_artifacts.errors import ArtifactsError, UsageError

#: Where programs lie in an image: what begins with #! there is meant to be started.
PROGRAM_FOLDERS = re.compile(r"(usr/)?(local/)?(bin|sbin|libexec|lib/systemd/system-generators)/")
UNITS = re.compile(r"(usr/lib|lib|etc)/systemd/(system|user)/[^/]+\.(service|socket|timer|path|mount|target)$")
SHELL = re.compile(rb"#!\s*/(?:usr/)?bin/(?:env\s+)?(sh|bash|dash)\b")
PYTHON = re.compile(rb"#!\s*/(?:usr/)?bin/(?:env\s+)?python3?\b")


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file of an artifact, and what to do. `line`: 0 for the file as a whole."""

    path: Path
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}" if self.line else f"{self.path}: {self.what}"


def require() -> None:
    """ArtifactsError if a program that the checks need is not there."""
    process.require("genpack", "check the keys and atoms of a definition")
    process.require("shellcheck", "check shell scripts")


def check(folder: Path) -> list[Problem]:
    """Everything that is wrong with an artifact's folder."""
    problems = [*_readme(folder), *_definition(folder)]
    scripts: list[Path] = []
    for relative in files.tree(folder / "files"):
        path = folder / "files" / relative
        if path.is_symlink() or not path.is_file():
            continue
        head = path.read_bytes()[:100]
        script = str(relative).startswith("build.d/")
        executable = path.stat().st_mode & stat.S_IXUSR
        if head.startswith(b"#!") and PROGRAM_FOLDERS.match(str(relative)) and not executable:
            problems.append(Problem(path, 0, "begins with #! but can't be started; chmod +x"))
        if SHELL.match(head) or (script and path.suffix == ".sh"):
            scripts.append(path)
        if PYTHON.match(head) or path.suffix == ".py":
            problems += _python(path)
        if UNITS.match(str(relative)):
            problems += _unit(folder / "files", path)
    return [*problems, *_shellcheck(scripts)]


def _readme(folder: Path) -> Iterator[Problem]:
    try:
        artifacts.read(folder)
    except UsageError as e:
        path, _, what = str(e).partition(": ")
        # The definition's own problems are genpack's to tell.
        if path.endswith("README.md"):
            yield Problem(Path(path), 0, what + (f"; {e.tip}" if e.tip else ""))


def _definition(folder: Path) -> Iterator[Problem]:
    result = process.run(["genpack", "-C", folder, "check"], needed_to="check the keys and atoms of a definition")
    if result.status == 0:
        return
    pattern = re.compile(r"(?:genpack: error: )?(?P<file>[\w./-]+?)(?::(?P<line>\d+))?: (?P<what>.*)")
    found = [match for line in result.output.splitlines() if (match := pattern.fullmatch(line.strip()))]
    told = [Problem(folder / m["file"], int(m["line"] or 0), m["what"]) for m in found if (folder / m["file"]).exists()]
    if told:
        yield from told
    else:
        yield Problem(folder, 0, f"genpack check: {result.output.strip() or f'exit status {result.status}'}")


def _python(path: Path) -> Iterator[Problem]:
    try:
        compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except SyntaxError as e:
        yield Problem(path, e.lineno or 0, f"not Python: {e.msg}")
    except ValueError as e:
        yield Problem(path, 0, f"not Python: {e}")


def _unit(root: Path, path: Path) -> Iterator[Problem]:
    """A unit must be read, and a program of the artifact that it starts must be one."""
    parser = configparser.RawConfigParser(
        strict=False, delimiters=("=",), comment_prefixes=("#", ";"), allow_no_value=True
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the way the library has for it
    try:
        parser.read_string(path.read_text("utf-8"))
    except (configparser.Error, UnicodeDecodeError) as e:
        yield Problem(path, getattr(e, "lineno", 0) or 0, f"not a unit: {str(e).splitlines()[0]}")
        return
    for section in parser.sections():
        for key, value in parser.items(section):
            if not key.startswith("Exec") or not value:
                continue
            program = value.split()[0].lstrip("-@:+!")
            there = root / program.lstrip("/")
            if there.is_file() and not os.access(there, os.X_OK):
                yield Problem(path, 0, f"{key}= starts {program}, which can't be started; chmod +x files{program}")


def _shellcheck(scripts: list[Path]) -> Iterator[Problem]:
    if not scripts:
        return
    # Scripts of build.d without a first line that says so are run by /bin/sh.
    for shell, some in _by_shell(scripts).items():
        argv: list[str | Path] = ["shellcheck", "--format=gcc", f"--shell={shell}", *some]
        result = process.run(argv, needed_to="check shell scripts")
        pattern = re.compile(r"(?P<file>.+?):(?P<line>\d+):\d+: (?P<what>.*)")
        found = [match for line in result.output.splitlines() if (match := pattern.fullmatch(line))]
        yield from (Problem(Path(m["file"]), int(m["line"]), m["what"]) for m in found)
        if result.status and not found:
            raise ArtifactsError(f"shellcheck failed: {result.output.strip()}")


def _by_shell(scripts: list[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in scripts:
        match = SHELL.match(path.read_bytes()[:100])
        found.setdefault(match[1].decode() if match else "sh", []).append(path)
    return found
