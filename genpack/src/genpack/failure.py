# SPDX-License-Identifier: MIT
"""What is said about an error: what failed, the end of its output, the log, and the command that goes on."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from genpack.errors import DefinitionError, GenpackError, StepError
from genpack.log import RED, Log
from genpack.options import OPTIONS, Invocation


def tell(log: Log, error: GenpackError, call: Invocation) -> None:
    """Lines for people, one event for programs."""
    problems = error.problems if isinstance(error, DefinitionError) else []
    for problem in problems:
        log.line(problem)
    tail = error.tail if isinstance(error, StepError) else []
    again = command(call.given, call.command, Path.cwd()) if error.log else None
    lines = [f"{log.paint('genpack: error:', RED)} {error.message}", *(f"  | {line}" for line in tail)]
    if error.log:
        lines.append(f"log: {error.log}")
    if error.tip:
        lines.append(f"tip: {error.tip}")
    if again:
        lines.append(f"to go on: {again}")
    log.failure(
        lines,
        message=error.message,
        tip=error.tip,
        problems=list(problems),
        tail=tail,
        log=str(error.log) if error.log else None,
        go_on=again,
        status=error.status,
    )


def command(given: Mapping[str, object], name: str, folder: Path) -> str:
    """The whole command with the options that were given, by the environment too, for any folder to be in. Relative
    paths in options start at the artifact's folder."""
    words = ["genpack", "-C", str(folder)]
    for option, (_, flags, _, _) in OPTIONS.items():
        value = given.get(option)
        if option == "directory" or not value:
            continue
        if value is True:
            words.append(flags[0])
            continue
        for each in value if isinstance(value, list | tuple) else [value]:
            words += [flags[0], str(each)]
    return shlex.join([*words, name or "build"])
