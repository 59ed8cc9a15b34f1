# SPDX-License-Identifier: MIT
"""The lower layer on disk. What a phase writes is written out once, at its end, since the container's own syncs are
suppressed; what the end of a boot in between left of it is not trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from genpack import files
from genpack.reasons import Reason
from genpack.workdir import State, WorkDir

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
LOST = Reason(
    None, "the machine was restarted while the lower layer was being written, so some of it may be lost: made afresh"
)


def boot_id() -> str:
    """Differs from boot to boot."""
    return BOOT_ID.read_text().strip()


def lost(state: State) -> bool:
    """True if an earlier boot ended while the lower layer was not all on disk."""
    return state.writing not in {"", boot_id()}


@contextmanager
def writing(work: WorkDir, state: State) -> Iterator[Callable[[], None]]:
    """While the lower layer is changed, whose state is kept durably until all of it is on disk; that is so at the end,
    of a failure too. Yields what begins to write out, in the background, what there is so far."""
    state.writing = boot_id()
    work.save(state)
    begun: list[Future[None]] = []
    with ThreadPoolExecutor(1) as pool:

        def write_out() -> None:
            begun.append(pool.submit(files.sync_filesystem, work.top))

        def finish() -> None:
            files.sync_filesystem(work.top)
            for each in begun:
                each.result()  # an error of the disk is told once: to who sees it first
            state.writing = ""
            work.save(state)

        try:
            yield write_out
        except BaseException:
            with suppress(OSError):  # the disk may be full; what ended the phase is what matters
                finish()
            raise
        finish()
