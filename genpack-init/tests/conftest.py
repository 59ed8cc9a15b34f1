# SPDX-License-Identifier: MIT
"""The installed programs, and a fake system for the plugin API."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from genpack_init.testing import FakeSystem


@pytest.fixture(scope="session")
def prefix() -> Path:
    """Where this package's programs are installed."""
    return Path(sys.prefix)


@pytest.fixture(scope="session")
def program() -> Path:
    """The installed bin/genpack-init."""
    return Path(sysconfig.get_path("scripts")) / "genpack-init"


@pytest.fixture
def system(tmp_path: Path) -> Iterator[FakeSystem]:
    """A fake root in a fresh folder."""
    with FakeSystem(tmp_path) as fake:
        yield fake
