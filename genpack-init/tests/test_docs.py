# SPDX-License-Identifier: MIT
"""The examples of the documentation work, and the manual page names all of the API."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import genpack_init
from genpack_init import tables
from genpack_init.testing import FakeSystem

PAGE = (Path(__file__).resolve().parents[1] / "man/genpack-init.8").read_text()


def examples() -> list[str]:
    """The .nf blocks, as a reader sees them."""
    return [block.replace("\\e", "\\") for block in re.findall(r"^\.nf\n(.*?)^\.fi$", PAGE, re.MULTILINE | re.DOTALL)]


def test_examples(tmp_path: Path) -> None:
    plugin, test = examples()
    (tmp_path / "motto.py").write_text(plugin)
    names: dict[str, object] = {}
    exec(compile(test.replace('"motto.py"', repr(str(tmp_path / "motto.py"))), "man page", "exec"), names)
    names["test_motto"](tmp_path)  # type: ignore[operator]  # defined by the example
    with FakeSystem(tmp_path) as system:
        assert system.read("etc/motd") == "hello\n"


def test_write_a_plugin(tmp_path: Path) -> None:
    """The page's own test file passes on the page's own plugins, run by pytest as its reader would."""
    page = (Path(__file__).resolve().parents[1] / "docs/write-a-plugin.md").read_text()
    blocks = re.findall(r"^```python\n# (\S+\.py)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in blocks] == ["45-motto.py", "46-shell.py", "test_motto.py"]
    for name, text in blocks:
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "test_motto.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "3 passed" in done.stdout, done.stdout
    with FakeSystem(tmp_path):
        assert [tables.describe(str(tmp_path / name)).error for name, _ in blocks[:2]] == [None, None]


def test_every_function_is_described() -> None:
    text = PAGE.replace("\\-", "-")
    missing = [name for name in genpack_init.__all__ if not re.search(rf"\b{name}\b", text)]
    assert missing == ["__version__"]
