# SPDX-License-Identifier: MIT
"""The userland of the stand-in stage3: a minimal Debian, its maintainer scripts run here, once."""

from __future__ import annotations

from pathlib import Path

from .apt import Apt
from .process import run

_LEFT_OUT = ("doc", "man", "locale", "info", "lintian", "bug")


def make_rootfs(apt: Apt, seed: tuple[str, ...], tarball: Path) -> None:
    """Write the root file system as an uncompressed tar."""
    options = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT]
    run(
        [
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            "--mode=root",
            f"--include={','.join(seed)}",
            '--aptopt=APT::Install-Recommends "false"',
            "--dpkgopt=force-unsafe-io",
            *options,
            apt.release,
            tarball,
            *apt.source_files(),
        ]
    )
