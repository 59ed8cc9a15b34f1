# SPDX-License-Identifier: MIT
"""genpack-progs(8) and --help of the programs name the same options."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from conftest import PACKAGE, PROGS

PROGRAMS = sorted(path.name for path in (PROGS / "bin").iterdir())
PAGE = (PACKAGE / "man/genpack-progs.8").read_text().replace("\\-", "-")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


def synopsis(program: str) -> str:
    """The lines of the page's synopsis about one program."""
    text = PAGE.partition(".SH SYNOPSIS\n")[2].partition(".SH DESCRIPTION\n")[0]
    parts = [part for part in text.split(".br\n") if re.match(rf"\.B {re.escape(program)}( |\n|$)", part)]
    assert len(parts) == 1, f"{program} has no synopsis"
    return parts[0]


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_and_manual_agree(program: str) -> None:
    done = subprocess.run([sys.executable, str(PROGS / "bin" / program), "--help"],
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    options = done.stdout.partition("options:\n")[2]
    helped = {word for line in options.splitlines() if re.match(r" {2}-", line) for word in OPTION.findall(line[:40])}
    assert helped - {"--help"} == set(OPTION.findall(synopsis(program)))
    section = PAGE.partition(f".SS {program}\n")[2].partition("\n.S")[0]
    assert section, f"{program} has no section"
    shared = PAGE if program == "genpack-exec-package-scripts" else section  # its option is told with the closure's
    assert helped - {"--help"} <= set(OPTION.findall(shared))
    assert program in PAGE.partition(".SH NAME\n")[2].partition(" - ")[0].split(", ")
