# SPDX-License-Identifier: MIT
"""The commands: run, check, blame and the interactive Python."""

from __future__ import annotations

import logging
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

from genpack_init import plugins, systemini, tables
from genpack_init.errors import GenpackInitError, UsageError
from genpack_init.paths import PLUGIN_FOLDER, STATE_FILE, text_path

if TYPE_CHECKING:
    from argparse import Namespace


class ErrorCounter(logging.Handler):
    """Counts error lines: a bad value is one, though its plugin goes on."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """One more."""
        self.count += 1


def read_ini(file: str | None) -> tuple[systemini.SystemIni, list[str]]:
    """system.ini: `file`, or the machine's layers; and what is wrong in it. Raises UsageError."""
    if file is None:
        return systemini.load(systemini.layers())
    try:
        with open(file, "rb") as stream:
            return systemini.load([(file, stream.read())])
    except OSError as error:
        raise UsageError(f"--ini {file}: {error.strerror}") from error


def find_plugin(name: str) -> str:
    """A plugin's file: `name` itself, or NAME or NAME.py in the root's plugin folder. Raises UsageError."""
    folder = text_path(PLUGIN_FOLDER)
    choices = (name,) if "/" in name else (f"{folder}/{name}", f"{folder}/{name}.py", name)
    for path in choices:
        if os.path.isfile(path):
            return path
    raise UsageError(f"{name}: no such plugin, neither a file nor in {folder}")


def run(options: Namespace) -> int:
    """Run plugins in the order given. 1 if one failed or an error was logged (a bad value, say)."""
    paths = [find_plugin(name) for name in options.plugins]
    ini, problems = read_ini(options.ini)
    counter = ErrorCounter()
    logging.getLogger().addHandler(counter)
    for line in problems:
        logging.warning("%s", line)
    for path in paths:
        plugins.run_one(path, ini, lambda line: None)
    return 1 if counter.count else 0


def check(options: Namespace) -> int:
    """List plugins and keys on stdout, problems on stderr. 2 if system.ini has one, 1 if a plugin has one."""
    described = [tables.describe(path) for path in plugins.discover()]
    ini, problems = read_ini(options.ini)
    keys = [tables.OWN, *(key for plugin in described for key in plugin.keys)]
    bad, failed = tables.bad_values(ini, [tables.Plugin("genpack-init", (tables.OWN,)), *described])
    problems += bad + tables.unread(ini, keys)
    broken = [f"{plugin.name}: {plugin.error}" for plugin in described if plugin.error] + failed
    if options.json:
        import json

        rows = [{"plugin": plugin.name, **asdict(key)} for plugin in described for key in plugin.keys]
        data = {
            "version": 1,
            "plugins": [plugin.name for plugin in described],
            "keys": [{"plugin": None, **asdict(tables.OWN)}, *rows],
            "system_ini": ini.files,
            "problems": broken + problems,
        }
        print(json.dumps(data, indent=1))
    else:
        for plugin in described:
            print(plugin.name)
            for key in plugin.keys:
                where = key.key if key.section == systemini.DEFAULT_SECTION else f"[{key.section}] {key.key}"
                print(f"    {where:30} {key.type:5} {key.help}")
    for line in broken + problems:
        logging.warning("%s", line)
    return 2 if problems else 1 if broken else 0


def blame() -> int:
    """Print the plugins of this boot, slowest first: milliseconds, status, name."""
    import json

    path = text_path(STATE_FILE)
    try:
        with open(path, encoding="utf-8") as file:
            state = json.load(file)
        rows = [(float(p["ms"]), str(p["status"]), str(p["name"])) for p in state["plugins"]]
    except FileNotFoundError as error:
        tip = "it is written at boot, when genpack-init is PID 1"
        raise GenpackInitError(f"{path}: no such file", tip=tip) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GenpackInitError(f"{path}: not a state file of genpack-init: {error}") from error
    for ms, status, name in sorted(rows, reverse=True):
        print(f"{ms:10.1f} ms  {status:7}  {name}")
    return 0


def report() -> int:
    """Finish this boot's entry of boot-report.txt."""
    from genpack_init.report import finish

    try:
        finish()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GenpackInitError(f"boot-report.txt: {error}") from error
    return 0


def interact() -> int:
    """An interactive Python with the module loaded."""
    import builtins
    import code
    import contextlib

    import genpack_init

    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - line editing
    names = {name: getattr(genpack_init, name) for name in genpack_init.__all__ if name != "__version__"}

    def leave(status: int = 0) -> None:
        raise SystemExit(status)

    names |= {"__name__": "__console__", "genpack_init": genpack_init, "exit": leave, "quit": leave}
    names["__builtins__"] = builtins
    code.interact(f"genpack-init {genpack_init.__version__}; Ctrl-D leaves", local=names, exitmsg="")
    return 0
