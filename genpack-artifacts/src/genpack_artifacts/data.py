# SPDX-License-Identifier: MIT
"""Where this package's artifacts, stencils and templates lie."""

from __future__ import annotations

from pathlib import Path


def folder(name: str) -> Path:
    """The folder `name` of this package's data: installed with it, or the checkout's own."""
    installed = Path(__file__).parent / name
    if installed.is_dir():
        return installed
    checkout = Path(__file__).resolve().parents[2]
    return checkout if name == "artifacts" else checkout / name


def names(name: str) -> list[str]:
    """What is in such a folder, by name."""
    return sorted(path.name for path in folder(name).iterdir() if path.is_dir())
