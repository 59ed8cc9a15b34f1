# SPDX-License-Identifier: MIT
"""Run installed commands, with a time limit and a record that can be pasted into a shell."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

Argument = str | Path


@dataclass(frozen=True)
class Result:
    """How a command ended. `status` is negative for a signal, as in subprocess."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Both streams, standard error last."""
        return self.stdout + self.stderr

    def __str__(self) -> str:
        return f"$ {shlex.join(self.argv)}\n{self.output}[exit status {self.status}]"

    def ok(self) -> Result:
        """This result, or a test failure that shows it."""
        assert self.status == 0, str(self)
        return self

    def error_lines(self, program: str) -> list[str]:
        """The lines `PROGRAM: error: ...` of standard error."""
        return [line for line in self.stderr.splitlines() if line.startswith(f"{program}: error: ")]


def run(*argv: Argument, timeout: float = 120, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Result:
    """Run a command in a session of its own, standard input closed; at `timeout` seconds all of it is killed."""
    words = tuple(map(str, argv))
    process = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, **(env or {})},
        cwd=cwd,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except BaseException as e:
        interrupt_group(process, signal.SIGTERM)
        if isinstance(e, subprocess.TimeoutExpired):
            raise AssertionError(f"$ {shlex.join(words)}\ndid not end within {timeout:g} s") from e
        raise
    return Result(words, process.returncode, stdout, stderr)


def interrupt_group(process: subprocess.Popen[str], number: signal.Signals, grace: float = 30) -> None:
    """Send a signal to a command's whole process group, as a terminal does at Ctrl-C; kill it after `grace` seconds."""
    try:
        os.killpg(process.pid, number)
        process.wait(grace)
    except ProcessLookupError:
        process.wait()
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def path_without(folder: Path, *names: str) -> str:
    """A PATH with every command of this process's PATH but `names`: links in `folder`."""
    folder.mkdir()
    for part in os.environ["PATH"].split(":"):
        for program in Path(part).iterdir() if Path(part).is_dir() else ():
            link = folder / program.name
            if program.name not in names and not link.is_symlink():
                link.symlink_to(program)
    return str(folder)
