# SPDX-License-Identifier: MIT
"""One booted image, through the installed `vm`."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.commands import Argument, Result, run
from harness.console import Console

BOOT_LIMIT = 300.0  # seconds; a boot takes 30-50 s under TCG on an idle machine, up to 150 s on a busy one
STOP_LIMIT = 120.0


@dataclass
class Timing:
    """Seconds that `ci/test` shows: (what, seconds)."""

    rows: list[tuple[str, float]] = field(default_factory=list)

    def add(self, what: str, seconds: float) -> None:
        self.rows.append((what, seconds))


class Machine:
    """A VM that runs inside a `with`: started detached, waited for by SSH, always ended.

    `key`: the private key for SSH. Its public half must be in the guest by way of system.ini. `options` are those of
    `vm run`, `qemu` those that it gives to QEMU. When something fails inside the `with`, the console log is copied to
    the folder `keep`.
    """

    def __init__(
        self,
        name: str,
        image: Path,
        *,
        work: Path,
        keep: Path,
        key: Path,
        options: tuple[Argument, ...] = (),
        qemu: tuple[Argument, ...] = (),
        timing: Timing | None = None,
    ) -> None:
        self.name = name
        self.image = image
        self.key = key
        self.options = options
        self.qemu = ("--", *qemu) if qemu else ()
        self.keep = keep
        self.timing = timing
        self.console = Console(work / f"{name}-console.log")
        # No key, no agent and no time zone of the person who runs the tests reaches the guest.
        self.env = {"VM_RUN_ROOT": str(work / "run"), "HOME": str(work), "SSH_AUTH_SOCK": ""}
        self.started = 0.0

    def vm(self, *words: Argument, timeout: float = 60) -> Result:
        """An installed `vm` command in this machine's environment."""
        return run("vm", *words, env=self.env, timeout=timeout)

    def __enter__(self) -> Self:
        self.started = time.monotonic()
        size = ("--memory", "1024", "--cpu", str(min(2, os.cpu_count() or 1)))
        log = ("--console-log", self.console.path)
        self.vm("run", "--detach", "--name", self.name, *size, *log, *self.options, self.image, *self.qemu).ok()
        try:
            self.vm("wait", self.name, "--for", "ssh", "--timeout", str(BOOT_LIMIT), timeout=BOOT_LIMIT + 30).ok()
        except BaseException:
            self.keep_log()
            self._end()
            raise
        self._note("to ssh")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self.keep_log()
        self._end()

    def _note(self, what: str) -> None:
        if self.timing is not None:
            self.timing.add(f"boot {self.name} {what}", time.monotonic() - self.started)

    def keep_log(self) -> None:
        """Copy the console log to where a person finds it after the tests."""
        self.keep.mkdir(parents=True, exist_ok=True)
        if self.console.path.exists():
            shutil.copy(self.console.path, self.keep / self.console.path.name)

    def _end(self) -> None:
        if self.is_running():
            self.vm("stop", "-f", "-w", self.name)

    def is_running(self) -> bool:
        """True while `vm list` has it."""
        return self.name in self.vm("list", "-q").ok().stdout.split()

    def info(self) -> dict[str, Any]:
        """This machine's entry in `vm list --format json`."""
        listed = json.loads(self.vm("list", "--format", "json").ok().stdout)
        found: dict[str, Any] = next(e for e in listed["vms"] if e["name"] == self.name)
        return found

    def ssh(self, script: str, *, user: str = "root", timeout: float = 60) -> Result:
        """Run a shell script in the guest."""
        return self.vm("ssh", "-i", self.key, f"{user}@{self.name}", script, timeout=timeout)

    def out(self, script: str, *, user: str = "root", timeout: float = 60) -> str:
        """Standard output of a script that must succeed, without the last newline."""
        return self.ssh(script, user=user, timeout=timeout).ok().stdout.strip()

    def booted(self) -> None:
        """Wait until systemd has finished; the system must be `running`, with no failed unit and no job left."""
        state = self.ssh("systemctl is-system-running --wait", timeout=BOOT_LIMIT).stdout.strip()
        failed = self.out("systemctl --failed --no-legend --plain; systemctl list-jobs --no-legend")
        assert (state, failed) == ("running", "")
        self._note("to running")

    def power_off(self) -> None:
        """Power down as a button would; the machine must end by itself, its console saying so."""
        begun = time.monotonic()
        self.vm("stop", "-w", self.name, timeout=STOP_LIMIT).ok()
        assert not self.is_running()
        self.console.wait(r"reboot: Power down", 5)
        if self.timing is not None:
            self.timing.add(f"power off {self.name}", time.monotonic() - begun)
