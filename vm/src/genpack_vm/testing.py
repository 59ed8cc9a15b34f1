# SPDX-License-Identifier: MIT
"""`vm test`: boot an image, run a command in it, power it off, look through its console; for CI."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from genpack_vm import guestexec, info, launch, log, rundir, stopping, waiting
from genpack_vm.agent import Agent, AgentError, Done
from genpack_vm.config import RunOptions
from genpack_vm.errors import UsageError, VmError, WaitTimeoutError
from genpack_vm.junit import Case, write

OWN_FAILURE = 125
TIMED_OUT = 124
_PAUSE = 0.5  # seconds between two looks
_POWER_DOWN = 120.0  # seconds
_SCRIPT_LIMIT = 4 << 20  # bytes
_FATAL = (r"Kernel panic - not syncing", r"Entering emergency mode", r"You are in emergency mode", r"dracut-emergency")
#: What a good boot never prints.
PATTERNS = (
    *_FATAL,
    r"\bBUG: ",
    r"\bOops\b",
    r"general protection fault",
    r"Out of memory: Kill",
    r"\[FAILED\]",
    r"Failed to start ",
    r"Dependency failed for ",
)
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\r")
#: Standard input is the script; the file is gone after it, whatever its exit status.
_RUN_SCRIPT = 'f=$(mktemp) && cat >"$f" && chmod 700 "$f" || exit 125; "$f"; s=$?; rm -f "$f"; exit $s'


@dataclass(frozen=True)
class TestOptions:
    """The options of `vm test`. `goal`: what a boot must reach; `timeout`: seconds for boot and command together."""

    __test__ = False  # pytest: this is none

    run: RunOptions
    command: tuple[str, ...]
    script: Path | None
    goal: waiting.Goal
    timeout: float
    junit: Path | None
    fail_patterns: tuple[str, ...]
    ignore_patterns: tuple[str, ...]


def _compiled(patterns: Sequence[str], option: str) -> list[re.Pattern[str]]:
    found = []
    for pattern in patterns:
        try:
            found.append(re.compile(pattern))
        except re.error as e:
            raise UsageError(f"{option} {pattern!r} is no regular expression: {e}") from e
    return found


def _script(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        data = path.read_bytes()
    except OSError as e:
        raise UsageError(f"--script: cannot read {path}: {e.strerror}") from e
    if not data.strip():
        raise UsageError(f"--script: {path} is empty")
    if len(data) > _SCRIPT_LIMIT:
        raise UsageError(f"--script: {path} is larger than {_SCRIPT_LIMIT >> 20} MiB")
    return data


class _Console:
    """The log, without a terminal's escapes, and the lines in it that must not be there."""

    def __init__(self, path: Path, options: TestOptions) -> None:
        self.path = path
        self._bad = _compiled((*PATTERNS, *options.fail_patterns), "--fail-pattern")
        self._ignored = _compiled(options.ignore_patterns, "--ignore-pattern")
        self._fatal = _compiled(_FATAL, "")

    def text(self) -> str:
        try:
            return _ESCAPES.sub("", self.path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            return ""

    def _matching(self, patterns: Sequence[re.Pattern[str]]) -> list[str]:
        lines = [line for line in self.text().splitlines() if any(p.search(line) for p in patterns)]
        return [line for line in lines if not any(p.search(line) for p in self._ignored)]

    def bad(self) -> list[str]:
        return self._matching(self._bad)

    def fatal(self) -> list[str]:
        return self._matching(self._fatal)


class _Run:
    """One VM under test."""

    def __init__(self, options: TestOptions, script: bytes | None, console: _Console) -> None:
        self.options = options
        self.script = script
        self.console = console
        self.cases: list[Case] = []
        self.status = 0  # the worst that is not the command's
        self.command_status = 0
        self.end = time.monotonic() + options.timeout
        self.top = rundir.root_of_user()
        self.files = rundir.Files(self.top)

    def _fail(self, case: Case, error: VmError) -> Case:
        log.error(f"{case.name}: {error}", error.tip)
        self.status = max(self.status, TIMED_OUT if isinstance(error, WaitTimeoutError) else OWN_FAILURE)
        return replace(case, failure=str(error))

    def boot(self) -> bool:
        """True when the guest has come as far as it must."""
        begin, case = time.monotonic(), Case("boot")
        try:
            found = launch.detached(replace(self.options.run, console_log=self.console.path))
            self.files = rundir.Files(self.top / found.name)
            self._reach(found)
        except VmError as e:
            case = self._fail(case, e)
        self.cases.append(replace(case, seconds=time.monotonic() - begin))
        return case.failure is None

    def _reach(self, found: info.VmInfo) -> None:
        goal = self.options.goal
        while not self._there(found.name):
            if not rundir.is_alive(self.top, found.name):
                raise VmError(f"{found.name} ended before it reached {goal.value}")
            if fatal := self.console.fatal():
                raise VmError(f"the boot failed: {fatal[0].strip()}")
            if time.monotonic() >= self.end:
                raise WaitTimeoutError(f"{found.name} did not reach {goal.value} in {self.options.timeout:g} s")
            time.sleep(_PAUSE)

    def _there(self, name: str) -> bool:
        left = max(0.1, self.end - time.monotonic())
        if self.options.goal is waiting.Goal.AGENT:
            return waiting.agent_answers(self.files, left)
        state = waiting.systemd_state(name, self.files, left)
        if state == "degraded":
            raise VmError(f"systemd is up, but units failed: {self._failed_units()}")
        return state == "running"

    def _failed_units(self) -> str:
        try:
            with Agent(self.files, 10) as agent:
                text = agent.run("systemctl", ["--failed", "--plain", "--no-legend"]).stdout.decode(errors="replace")
        except AgentError as e:
            return str(e)
        return " ".join(line.split()[0] for line in text.splitlines() if line.split())

    def command(self) -> None:
        """Run it; its output is ours."""
        options, begin = self.options, time.monotonic()
        if options.command:
            words, case = list(options.command), Case(f"command {options.command[0]}")
        elif options.script is not None:
            words, case = ["/bin/sh", "-c", _RUN_SCRIPT], Case(f"script {options.script.name}")
        else:
            return
        done: Done | None = None
        try:
            left = max(0.1, self.end - begin)
            done = guestexec.run(self.files, words, stdin=self.script, timeout=left)
        except VmError as e:
            case = self._fail(case, e)
        if done is not None:
            guestexec.show(done)
            self.command_status = done.status
            out, err = (data.decode(errors="replace") for data in (done.stdout, done.stderr))
            failure = f"exit status {done.status}" if done.status else None
            case = replace(case, failure=failure, out=out, err=err)
        self.cases.append(replace(case, seconds=time.monotonic() - begin))

    def power_down(self) -> None:
        """The guest must end by itself."""
        begin, case = time.monotonic(), Case("power-down")
        name = self.files.folder.name
        try:
            stopping.stop(stopping.StopOptions((name,), force=False, wait=True, timeout=_POWER_DOWN))
        except VmError as e:
            case = self._fail(case, e)
        self.cases.append(replace(case, seconds=time.monotonic() - begin))

    def look(self) -> None:
        """Look for failure patterns."""
        case = Case("console", out=self.console.text())
        if bad := self.console.bad():
            case = self._fail(case, VmError(f"{len(bad)} bad lines, the first: {bad[0].strip()}"))
            case = replace(case, failure="\n".join(bad))
        self.cases.append(case)

    def close(self) -> None:
        """No VM is left after this."""
        name = self.files.folder.name
        if self.files.folder != self.top and rundir.is_alive(self.top, name):
            stopping.stop(stopping.StopOptions((name,), force=True, wait=True, timeout=30))


def _check(options: TestOptions) -> None:
    if options.command and options.script is not None:
        raise UsageError("--script and a command exclude each other")
    if options.timeout <= 0:
        raise UsageError(f"--timeout {options.timeout:g}: it must be more than 0 seconds")
    launch.check_log(options.junit, "--junit")


def test(options: TestOptions) -> int:
    """The command's exit status; 125 when the boot, the power-down or the console was bad, 124 when time ran out."""
    _check(options)
    script = _script(options.script)
    with tempfile.TemporaryDirectory(prefix="vm-test-") as folder:
        path = options.run.console_log or Path(folder) / "console.log"
        run = _Run(options, script, _Console(path, options))
        try:
            if run.boot():
                run.command()
                run.power_down()
        finally:
            run.close()
        run.look()
        if options.junit is not None:
            write(options.junit, f"vm test {options.run.image.name}", run.cases)
    for case in run.cases:
        log.info(f"{'FAILED' if case.failure else 'ok':6}  {case.name}  {case.seconds:.1f} s")
    return run.command_status or run.status


test.__test__ = False  # type: ignore[attr-defined]  # pytest: this is none
