# SPDX-License-Identifier: MIT
"""Run a program in a VM through its guest agent: `vm exec`."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence

from genpack_vm import info, log, rundir
from genpack_vm.agent import Agent, AgentError, AgentSilentError, Done
from genpack_vm.errors import UsageError, WaitTimeoutError
from genpack_vm.identity import check_name

_ANSWER = 30.0  # seconds that the agent may take for one answer
_SILENCE = 120.0  # seconds without an answer, while a command runs, that a busy guest may need
_FIRST = 1.0  # seconds that the first session lasts: others want the agent too
_QUICK = 0.002  # seconds, the first pause between two looks; it doubles
_SLOW = 0.5  # seconds, the longest pause


def _kill(files: rundir.Files, pid: int) -> None:
    """End a program that took too long; the agent itself has no command for that."""
    with contextlib.suppress(AgentError), Agent(files, _ANSWER) as agent:
        agent.run("kill", ["-KILL", str(pid)])


def run(
    files: rundir.Files, command: Sequence[str], *, stdin: bytes | None = None, timeout: float | None = None
) -> Done:
    """Run `command` in the guest to its end. WaitTimeoutError, and the program killed, after `timeout` seconds.

    The agent serves one client: after a moment its socket is left to others between two looks.
    """
    begin, pause = time.monotonic(), _QUICK
    with Agent(files, min(_ANSWER, timeout or _ANSWER)) as agent:
        pid = agent.start(command[0], command[1:], stdin)
        while time.monotonic() < begin + min(_FIRST, timeout or _FIRST):
            agent.extend(_ANSWER)
            if (done := agent.ended(pid)) is not None:
                return done
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
    answered = time.monotonic()
    while timeout is None or time.monotonic() < begin + timeout:
        try:
            with Agent(files, _ANSWER) as agent:
                if (done := agent.ended(pid)) is not None:
                    return done
            answered = time.monotonic()
        except AgentSilentError:
            if time.monotonic() > answered + _SILENCE:
                raise
        pause = min(pause * 2, _SLOW)
        time.sleep(pause if timeout is None else min(pause, max(0.0, begin + timeout - time.monotonic())))
    _kill(files, pid)
    raise WaitTimeoutError(f"{command[0]} did not end in {timeout:g} s; it was killed")


def show(done: Done) -> None:
    """A program's output on ours, byte by byte."""
    sys.stdout.flush()
    sys.stdout.buffer.write(done.stdout)
    sys.stdout.buffer.flush()
    sys.stderr.buffer.write(done.stderr)
    sys.stderr.buffer.flush()
    if done.truncated:
        log.warning("the guest agent keeps 16 MiB of each stream; the output is cut there")


def execute(name: str, command: Sequence[str], *, timeout: float | None) -> int:
    """`vm exec`: the command's exit status, its output on ours."""
    check_name(name)
    if not command:
        raise UsageError("no command is given", tip=f"vm exec {name} -- CMD [ARG...]")
    if timeout is not None and timeout <= 0:
        raise UsageError(f"--timeout {timeout:g}: it must be more than 0 seconds")
    top = rundir.root_of_user()
    info.find_running(top, name)
    try:
        done = run(rundir.Files(top / name), command, timeout=timeout)
    except AgentSilentError as e:
        tip = f"`vm wait {name} --for agent` waits for it; is qemu-guest-agent in the image?"
        raise AgentError(f"{name}: {e}", tip=tip) from e
    except AgentError as e:
        raise AgentError(f"{name}: {e}") from e
    show(done)
    return done.status
