# SPDX-License-Identifier: MIT
"""A toy definition: stage3 and one small package on the light profile `toy`, built in seconds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.commands import Argument, Result, run

#: Left out of the light profile: everything that genpack/base brings.
PARENT = "gentoo:default/linux/amd64/23.0/systemd\n"
PACKAGES = "*genpack/genpack-progs\n"
BUILD_LIMIT = 600.0  # seconds


def add_toy_profile(overlay: Path, to: Path) -> Path:
    """A copy of an overlay with the profile genpack/amd64/toy."""
    shutil.copytree(overlay, to, symlinks=True)
    profile = to / "profiles" / "genpack" / "amd64" / "toy"
    profile.mkdir()
    (profile / "eapi").write_text("8\n")
    (profile / "parent").write_text(PARENT)
    (profile / "packages").write_text(PACKAGES)
    with (to / "profiles" / "profiles.desc").open("a") as file:
        file.write("amd64 genpack/amd64/toy dev\n")
    return to


@dataclass(frozen=True)
class Mirror:
    """Where a build takes everything from."""

    folder: Path
    overlay: Path
    keyring: Path

    def options(self) -> tuple[Argument, ...]:
        return ("--mirror", self.folder, "--keyring", self.keyring, "--overlay-override", self.overlay)


@dataclass(frozen=True)
class Workspace:
    """One artifact folder with its own work and output folders below `base`."""

    base: Path
    mirror: Mirror
    cache: Path

    @property
    def artifact(self) -> Path:
        return self.base / "artifact"

    @property
    def work(self) -> Path:
        return self.base / "work"

    @property
    def images(self) -> Path:
        return self.base / "images"

    @property
    def image(self) -> Path:
        return self.images / "toy-x86_64.squashfs"

    def define(self, **keys: Any) -> Path:
        """Write genpack.json5: the toy definition, `keys` over it."""
        self.artifact.mkdir(parents=True, exist_ok=True)
        definition = {"name": "toy", "profile": "toy", "packages": ["app-misc/toy"], **keys}
        path = self.artifact / "genpack.json5"
        path.write_text(json.dumps(definition, indent=2) + "\n")
        return path

    def write(self, name: str, text: str, *, mode: int = 0o644) -> Path:
        """A file below files/ of the artifact."""
        path = self.artifact / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def argv(self, *words: Argument) -> tuple[str, ...]:
        """`genpack` for this workspace with a command and what stands after it."""
        self.images.mkdir(parents=True, exist_ok=True)
        places = ("--work-dir", self.work, "--output-dir", self.images)
        argv = ("genpack", "-C", self.artifact, *self.mirror.options(), *places, *words)
        return tuple(map(str, argv))

    @property
    def env(self) -> dict[str, str]:
        places = {"XDG_CACHE_HOME": str(self.cache), "XDG_CONFIG_HOME": str(self.base / "config")}
        return {**places, "GENPACK_PARALLEL": "1"}

    def genpack(self, *words: Argument, env: dict[str, str] | None = None) -> Result:
        """Run it to the end."""
        return run(*self.argv(*words), timeout=BUILD_LIMIT, env={**self.env, **(env or {})})

    def start(self, *words: Argument) -> subprocess.Popen[str]:
        """Start it in a process group of its own and return at once."""
        # A shell starts background jobs, this test run perhaps, with SIGINT ignored, and that is inherited.
        return subprocess.Popen(
            ["env", "--default-signal=INT", *self.argv(*words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, **self.env},
            start_new_session=True,
        )


def wait_until(condition: Any, what: str, timeout: float, interval: float = 0.1) -> None:
    """Poll `condition()` until it is true; a test failure after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {timeout:g} s"
        time.sleep(interval)
