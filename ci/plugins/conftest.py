# SPDX-License-Identifier: MIT
"""Plugins of genpack-overlay, run on a fake root through genpack_init.testing as a plugin's author would.

They are tests of two packages, so they are here; the environment unit-init runs them with genpack-init installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from genpack_init.testing import FakeSystem

OVERLAY = Path(__file__).resolve().parents[2] / "genpack-overlay"


def plugin_files() -> dict[str, Path]:
    """Every plugin of the overlay, by its name without number and suffix."""
    found = [*OVERLAY.glob("genpack/*/files/plugins/**/*.py"), *OVERLAY.glob("*/*/files/[0-9][0-9]-*.py")]
    return {path.stem.partition("-")[2]: path for path in sorted(found)}


@pytest.fixture
def plugins() -> dict[str, Path]:
    return plugin_files()


@pytest.fixture
def system(tmp_path: Path) -> Iterator[FakeSystem]:
    with FakeSystem(tmp_path / "root") as fake:
        yield fake


@pytest.fixture
def errors(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The error lines so far."""
    caplog.set_level("DEBUG")
    return lambda: [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
