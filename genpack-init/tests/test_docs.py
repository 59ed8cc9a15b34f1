# SPDX-License-Identifier: MIT
"""The examples of the manual page work, and the page names all of the API."""

from __future__ import annotations

import re
from pathlib import Path

import genpack_init
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


def test_every_function_is_described() -> None:
    text = PAGE.replace("\\-", "-")
    missing = [name for name in genpack_init.__all__ if not re.search(rf"\b{name}\b", text)]
    assert missing == ["__version__"]
