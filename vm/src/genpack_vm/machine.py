# SPDX-License-Identifier: MIT
"""One QEMU from its start to its end: console, signals, time limit, power-down."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from genpack_vm import info, log, net, process, qemu_args, qmp, rundir, sockforward
from genpack_vm.config import MachineSpec
from genpack_vm.console import Console, Terminal
from genpack_vm.errors import InterruptError, QmpError, VmError, WaitTimeoutError
from genpack_vm.hub import Hub

if TYPE_CHECKING:
    from qemu.qmp import QMPClient

START_TIMEOUT = 60.0  # seconds until QEMU must answer
STOP_TIMEOUT = 60.0  # seconds that the guest has to power down after a signal
KILL_TIMEOUT = 5.0  # seconds between asking QEMU to quit and killing it
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

#: What QEMU says -> what to do about it.
_TIPS = (
    ('Failed to get "write" lock', "another VM uses this disk file: stop it, or use --volatile-data"),
    ('Failed to get shared "write" lock', "another VM writes to this file: stop it"),
    ("Could not set up host forwarding rule", "the port is in use: choose another one, or 0 for a free one"),
    ("Could not access KVM", "run with --no-kvm"),
    ("cannot set up guest memory", "give it less: --memory MIB"),
    ("unable to map backing store for guest RAM", "give it less: --memory MIB"),
    ("unable to find CPU model", "`qemu-system-x86_64 -cpu help` lists the names for --cpu-model"),
    ("access denied by acl file", "let users have the bridge: a line `allow BRIDGE` in /etc/qemu/bridge.conf"),
    ("invalid option", "what follows `--` goes to QEMU as it is"),
)


class Machine:
    """Owns a QEMU child. `run` may be called once."""

    def __init__(
        self,
        spec: MachineSpec,
        *,
        image: str,
        lock_fd: int,
        inherit: tuple[int, ...],
        timeout: float | None,
        detached: bool,
        on_up: Callable[[info.VmInfo], None],
        virtiofs: str | None = None,
        stop_timeout: float | None = None,
        on_stop: Callable[[], None] | None = None,
    ) -> None:
        self._spec = spec
        self._image = image
        self._lock_fd = lock_fd
        self._inherit = inherit
        self._timeout = timeout
        self._detached = detached
        self._on_up = on_up
        self._virtiofs = virtiofs
        self._stop_timeout = STOP_TIMEOUT if stop_timeout is None else stop_timeout
        self._on_stop = on_stop
        self._tasks: set[asyncio.Task[None]] = set()
        self._cause: VmError | None = None  # why it ends, if not by itself
        self._stopping = False

    def run(self) -> None:
        """Start QEMU and stay until it has ended. A VmError says how it ended, unless the guest ended it well."""
        with contextlib.ExitStack() as stack:
            keys = not self._detached and Terminal.usable(0)
            terminal = stack.enter_context(Terminal(0)) if keys else None
            asyncio.run(self._run(terminal))

    async def _run(self, terminal: Terminal | None) -> None:
        self._loop = asyncio.get_running_loop()
        hub = Hub(self._spec.files.serial, self._spec.files.console)
        forwards = await sockforward.start(self._spec.cid, self._spec.sock_forward)
        ours, theirs = socket.socketpair()
        argv = qemu_args.build(self._spec, theirs.fileno())
        purpose = f"run {self._spec.arch.value} images"
        try:
            self._child = process.owned(
                argv,
                purpose=purpose,
                log=self._spec.files.qemu_log,
                pass_fds=(*self._inherit, theirs.fileno(), self._lock_fd),
            )
        except BaseException:
            hub.close()
            ours.close()
            raise
        finally:
            theirs.close()
        pidfd = os.pidfd_open(self._child.pid)
        self._ended = asyncio.Event()
        self._loop.add_reader(pidfd, self._on_end, pidfd)
        for signum in _SIGNALS:
            self._loop.add_signal_handler(signum, self._on_signal, signum)
        if terminal is not None:
            self._loop.add_signal_handler(signal.SIGCONT, terminal.raw)  # a shell changed it while we were stopped
        console = None
        if not self._detached:
            console = Console(
                hub.patient(),
                keys=terminal is not None,
                on_escape=self._on_escape,
                on_hangup=self._on_hangup,
            )
        try:
            await self._live(ours, hub)
        finally:
            self._loop.remove_reader(pidfd)
            os.close(pidfd)
            for task in self._tasks:
                task.cancel()
            self._end_child()
            for forward in forwards:
                forward.close()
            rest = hub.close()
            if console is not None:
                console.close(rest)
        self._judge()

    async def _live(self, connection: socket.socket, hub: Hub) -> None:
        """From QEMU's start until its end, for whatever reason."""
        rundir.write(self._spec.files.pid, f"{self._child.pid}\n")
        timer = None
        if self._timeout is not None:
            timer = self._loop.call_later(self._timeout, self._on_timeout)
        connecting = self._loop.create_task(hub.connect())
        starting = self._loop.create_task(qmp.attach(self._spec.name, connection))
        ending = self._loop.create_task(self._ended.wait())
        self._client = None
        try:
            await asyncio.wait({starting, ending}, timeout=START_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                if not self._ended.is_set():
                    hang = QmpError(f"QEMU did not answer within {START_TIMEOUT:g} s of its start")
                    self._cause = self._cause or hang
                return
            self._client = starting.result()
            await self._announce()
            await ending
        except VmError as e:
            # If QEMU is ending, then its own message is what counts.
            if not await self._soon_ended():
                self._cause = self._cause or e
        finally:
            if timer is not None:
                timer.cancel()
            await self._settle(starting, ending, connecting)
            if self._client is not None:
                await qmp.detach(self._client)
            elif not starting.done():
                connection.close()

    async def _settle(self, starting: asyncio.Task[QMPClient], *others: asyncio.Task[object]) -> None:
        """Every task has ended after this. Without QEMU the start of QMP ends by itself, as its socket is closed; if it
        is cancelled while it does, qemu.qmp leaves an exception that asyncio prints."""
        if self._ended.is_set():
            await asyncio.wait({starting}, timeout=1)
        for task in (starting, *others):
            task.cancel()
        await asyncio.wait({starting, *others}, timeout=1)
        if starting.done() and not starting.cancelled():
            starting.exception()  # seen: what QEMU itself said is what counts

    def _on_end(self, pidfd: int) -> None:
        self._loop.remove_reader(pidfd)  # it stays readable
        self._ended.set()

    async def _soon_ended(self) -> bool:
        try:
            await asyncio.wait_for(self._ended.wait(), 1)
        except TimeoutError:
            return False
        return True

    async def _announce(self) -> None:
        """Write vm.json: from now on the other commands find this VM."""
        assert self._client is not None
        text = await qmp.execute(
            self._client, self._spec.name, "human-monitor-command", {"command-line": "info usernet"}
        )
        made = net.parse_usernet(str(text))
        spec, files = self._spec, self._spec.files
        ticks, owner_ticks = info.start_ticks(self._child.pid), info.start_ticks(os.getpid())
        if ticks is None or owner_ticks is None:
            return  # it has ended already
        data = next((d.path for d in spec.disks if d.label == "data"), None)
        found = info.VmInfo(
            name=spec.name,
            pid=self._child.pid,
            start_ticks=ticks,
            owner_pid=os.getpid(),
            owner_ticks=owner_ticks,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            image=self._image,
            arch=spec.arch.value,
            accel=spec.accel.value,
            memory=spec.memory,
            cpus=spec.cpus,
            mac=spec.mac,
            cid=spec.cid,
            detached=self._detached,
            data_file=None if data is None else str(data),
            console_log=None if spec.console_log is None else str(spec.console_log),
            ports=tuple(info.Port(f.protocol, f.host, f.host_port, f.guest_port) for f in made),
            sockets={
                "qmp": str(files.qmp),
                "monitor": str(files.monitor),
                "console": str(files.console),
                "qga": str(files.qga),
            },
            virtiofs=self._virtiofs,
        )
        info.write_json(files.info, found.to_json())
        self._on_up(found)

    # How it is asked to end.

    def _start_task(self, work: asyncio.Task[None]) -> None:
        self._tasks.add(work)
        work.add_done_callback(self._tasks.discard)

    def _quit(self) -> None:
        """End QEMU now: SIGTERM makes it quit, and what hangs is killed."""
        if self._child.poll() is None:
            self._child.terminate()
            self._loop.call_later(KILL_TIMEOUT, self._kill)

    def _kill(self) -> None:
        if self._child.poll() is None:
            self._child.kill()

    async def _power_down(self) -> None:
        try:
            if self._client is None:
                raise QmpError("QEMU is not up yet")
            await qmp.execute(self._client, self._spec.name, "system_powerdown")
            await asyncio.sleep(self._stop_timeout)
            log.warning(f"{self._spec.name} did not power down in {self._stop_timeout:g} s")
            if isinstance(self._cause, InterruptError):
                self._cause.clean = False
        except QmpError as e:
            log.warning(f"no clean power-down: {e}")
        self._quit()

    def _stop(self, cause: VmError | None, again: str) -> None:
        """First time: ask the guest to power down. Second time: end QEMU."""
        self._cause = self._cause or cause
        if self._stopping:
            self._quit()
            return
        self._stopping = True
        if self._on_stop is not None:
            self._on_stop()
        log.info(f"asking {self._spec.name} to power down; {again}")
        self._start_task(self._loop.create_task(self._power_down()))

    def _on_signal(self, signum: int) -> None:
        cause = InterruptError(signum, f"{self._spec.name} was ended by {signal.Signals(signum).name}")
        self._stop(cause, "a second signal ends QEMU at once")

    def _on_escape(self) -> None:
        self._stop(None, "Ctrl-] again ends QEMU at once")

    def _on_hangup(self) -> None:
        message = f"{self._spec.name}: the terminal, or the reader of its console output, is gone"
        self._stop(InterruptError(signal.SIGPIPE, message), "a signal ends QEMU at once")

    def _on_timeout(self) -> None:
        self._cause = self._cause or WaitTimeoutError(f"{self._spec.name} was ended after {self._timeout:g} s")
        self._quit()

    # How it ended.

    def _end_child(self) -> None:
        """QEMU is gone after this."""
        process.end(self._child, KILL_TIMEOUT)

    def _judge(self) -> None:
        """Raise for every end but a good one."""
        if self._cause is not None:
            raise self._cause
        status = self._child.returncode
        if status == 0:
            return
        said = self._spec.files.qemu_log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        lines = [line.removeprefix(f"{self._spec.arch.qemu}: ") for line in said if "warning:" not in line]
        why = f": {lines[-1]}" if lines else ""
        tip = next((tip for mark, tip in _TIPS if any(mark in line for line in lines)), None)
        raise VmError(f"QEMU of {self._spec.name} {process.explain(status)}{why}", tip=tip)
