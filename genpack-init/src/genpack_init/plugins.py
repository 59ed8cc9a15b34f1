# SPDX-License-Identifier: MIT
"""Plugins: found in byte order, each run in a module of its own, timed, and kept from harming the next one."""

from __future__ import annotations

import builtins
import logging
import os
import sys
import time
from collections.abc import Callable
from configparser import ConfigParser
from types import CodeType, ModuleType

from genpack_init.errors import GenpackInitError, Interrupt
from genpack_init.isolation import Surroundings
from genpack_init.paths import PLUGIN_FOLDER, text_path
from genpack_init.platform import coldplug
from genpack_init.systemini import SystemIni

Progress = Callable[[str], None]
PACKAGE = "genpack_init_plugin"


class Result:
    """What became of a plugin. `status` is "ok", "failed" or "skipped" (it has no configure); `ms`: milliseconds.

    No dataclass: importing that costs 13 ms of each boot.
    """

    __slots__ = ("error", "ms", "name", "status")

    def __init__(self, name: str, status: str, ms: float, error: str | None = None) -> None:
        self.name, self.status, self.ms, self.error = name, status, ms, error

    def as_dict(self) -> dict[str, str | float | None]:
        """For the state file."""
        return {"name": self.name, "status": self.status, "ms": self.ms, "error": self.error}

    def __repr__(self) -> str:
        return f"Result({self.as_dict()})"


def discover() -> list[str]:
    """Paths of the plugins of the root, in byte order of their names."""
    folder = os.fsencode(text_path(PLUGIN_FOLDER))
    try:
        with os.scandir(folder) as entries:  # a folder is no plugin, nor is the device that an overlay hides one with
            files = [entry.name for entry in entries if entry.is_file(follow_symlinks=False) or entry.is_symlink()]
        names = sorted(name for name in files if name.endswith(b".py"))
    except FileNotFoundError:
        logging.warning("no plugins: %s does not exist", os.fsdecode(folder))
        return []
    except OSError as error:
        logging.error("no plugins: %s: %s", os.fsdecode(folder), error.strerror)
        return []
    return [os.fsdecode(folder + b"/" + name) for name in names]


def load(path: str) -> ModuleType:
    """Execute a plugin's file as a module of its own. Raises whatever it raises."""
    stem = os.path.basename(path).removesuffix(".py")
    module = ModuleType(f"{PACKAGE}.{stem}")
    module.__file__ = path
    vars(builtins).setdefault("coldplug", coldplug)  # old plugins call it without importing it
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    sys.modules[module.__name__] = module  # dataclasses and pickle look their module up there
    exec(code, module.__dict__)
    return module


def parameters(function: Callable[..., object]) -> int:
    """How many arguments `configure` wants: 0 or 1. Raises GenpackInitError for more."""
    code = getattr(function, "__code__", None)
    if isinstance(code, CodeType):
        required = code.co_argcount - len(getattr(function, "__defaults__", None) or ())
        keywords = getattr(function, "__kwdefaults__", None) or {}
        required += code.co_kwonlyargcount - len(keywords)
        wanted = min(1, code.co_argcount + bool(code.co_flags & 0x04))  # 0x04: *args
    else:  # a partial or callable object; inspect costs 10 ms, so only then
        import inspect

        kinds = inspect.signature(function).parameters.values()
        positional = [p for p in kinds if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)]
        required = sum(p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in kinds)
        wanted = min(1, len(positional))
    if required > 1:
        raise GenpackInitError(f"configure() takes {required} arguments; it may take the ini or nothing")
    return wanted


def describe(caught: BaseException) -> str:
    """An exception in one line. Never raises, even where the exception's own text does."""
    try:
        return f"{type(caught).__name__}: {caught}".rstrip(": ")
    except Exception:
        return type(caught).__name__


def run_one(path: str, ini: ConfigParser, progress: Progress, before: Surroundings | None = None) -> Result:
    """Run one plugin on a copy of `ini`. Nothing that it raises comes out, `sys.exit` included.

    `before`: what the process is put back to; one object for all plugins of a boot saves taking stock for each.
    """
    name = os.path.basename(path)
    progress(f"start {name}")
    begin = time.perf_counter()
    status, error = "ok", None
    own = f"{PACKAGE}.{name.removesuffix('.py')}"
    sys.modules.pop(own, None)  # of a plugin of the same name that was interrupted
    before = before or Surroundings()
    try:
        configure = getattr(load(path), "configure", None)
        if configure is None:
            status = "skipped"
            logging.info("%s: no configure(), skipped", name)
        elif parameters(configure):
            configure(ini.copy() if isinstance(ini, SystemIni) else ini)
        else:
            configure()
    except Interrupt:
        raise
    except BaseException as caught:
        before.restore(own)  # the error line must come through, whatever the plugin did to logging
        status, error = "failed", describe(caught)
        logging.error("plugin %s failed: %s", name, error, exc_info=True)
    changed = before.restore(own)
    if changed:
        logging.debug("%s: put back what it changed: %s", name, ", ".join(changed))
    ms = round((time.perf_counter() - begin) * 1000, 3)
    if status != "skipped":
        logging.info("%s: %s, %.1f ms", name, status, ms)
    progress(f"end {name}")
    return Result(name, status, ms, error)
