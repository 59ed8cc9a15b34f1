# SPDX-License-Identifier: MIT
"""The logs of a boot: /var/log/genpack-init.log, and the kernel log, which also puts its lines on the console.

Errors have kernel priority 3, which the console shows even with `quiet`; warnings 4, information 6, details 7.
"""

from __future__ import annotations

import logging
import os
import sys

from genpack_init.paths import LOG_FILE, text_path

#: `extra=` of a record that a person must see even with `quiet`.
FOR_PEOPLE = {"kernel_priority": 3}


class KernelHandler(logging.Handler):
    """Writes to /dev/kmsg; to stderr (the console) where that can't be written."""

    def emit(self, record: logging.LogRecord) -> None:
        """One kernel record a line. /dev/kmsg limits the rate of each open file, so it is opened for each."""
        level = record.levelno
        priority = 3 if level >= logging.ERROR else 4 if level >= logging.WARNING else 6 if level >= logging.INFO else 7
        priority = getattr(record, "kernel_priority", priority)
        try:
            first, *rest = record.getMessage().splitlines() or [""]
            lines = [(priority, first), *((priority, line) for line in rest)]
            if record.exc_info:  # the message says what failed; the traceback is for the log
                details = (self.formatter or logging.Formatter()).formatException(record.exc_info)
                lines += [(6, line) for line in details.splitlines()]
            for number, text in lines:
                self._write(f"<{number}>genpack-init: {text[:900]}\n")
        except Exception:
            self.handleError(record)

    @staticmethod
    def _write(line: str) -> None:
        data = line.encode(errors="replace")
        try:
            descriptor = os.open("/dev/kmsg", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except OSError:
            os.write(2, data[3:])
            return
        try:
            os.write(descriptor, data)
        except OSError:
            os.write(2, data[3:])
        finally:
            os.close(descriptor)


class Memory(logging.Handler):
    """Keeps the text of the first warnings and errors, for the boot report."""

    MOST = 200

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """One more."""
        if len(self.lines) < self.MOST:
            self.lines.append((record.levelno, record.getMessage()))


def remembered(level: int) -> list[str]:
    """The lines of that level that were logged since the boot's log was set up."""
    memories = [handler for handler in logging.getLogger().handlers if isinstance(handler, Memory)]
    return [line for memory in memories for number, line in memory.lines if number == level]


class PeopleFormatter(logging.Formatter):
    """`genpack-init: error: ...` for the command line; colour on a terminal unless NO_COLOR is set."""

    def __init__(self, color: bool) -> None:
        super().__init__()
        self.color = color

    def format(self, record: logging.LogRecord) -> str:
        """One record, with its traceback if it has one."""
        word = record.levelname.lower()
        if self.color and record.levelno >= logging.WARNING:
            word = f"\033[{31 if record.levelno >= logging.ERROR else 33}m{word}\033[0m"
        text = f"genpack-init: {word}: {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def set_up_boot() -> None:
    """Log to the kernel log and, if /var can be written, to the log file of this boot."""
    logging.raiseExceptions = False  # a full /var is no reason for tracebacks on the console
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(KernelHandler())
    root.addHandler(Memory())
    path = text_path(LOG_FILE)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        file = logging.FileHandler(path, mode="w", encoding="utf-8", errors="backslashreplace")
        os.chmod(path, 0o640)
    except OSError as error:
        logging.warning("%s: %s; logging to the kernel log alone", path, error.strerror)
        return
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(filename)s:%(lineno)d %(message)s"))
    root.addHandler(file)


def set_up_people(level: int = logging.INFO) -> None:
    """Log to stderr, for a person at the command line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PeopleFormatter(sys.stderr.isatty() and not os.environ.get("NO_COLOR")))
    root = logging.getLogger()
    root.setLevel(level)
    root.addHandler(handler)
