# SPDX-License-Identifier: MIT
"""What one plugin changes in the process is put back before the next one runs.

Put back: working folder, umask, environment, effective user and group, signal handlers, signal mask and timers,
sys.path, argv, standard streams, imported modules, names of builtins, os and genpack_init, the root logger. Left as
they are: open files, threads, resource limits, and what a plugin changes inside other modules.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal without its enums, which cost 0.1 ms a plugin
import builtins
import logging
import os
import sys

import genpack_init

TYPE_CHECKING = False  # true for type checkers; importing typing costs 5 ms of each boot
if TYPE_CHECKING:
    from typing import Any

#: Modules whose names a plugin might replace, to be found by everyone else.
SHARED = (builtins, os, genpack_init)
STREAMS = ("stdin", "stdout", "stderr", "path", "argv")
SIGNALS = [number for number in range(1, _signal.NSIG) if number not in (_signal.SIGKILL, _signal.SIGSTOP)]
TIMERS = (_signal.ITIMER_REAL, _signal.ITIMER_VIRTUAL, _signal.ITIMER_PROF)


class Names:
    """The names of a module (or of sys.modules) and their values, to be put back; names that are new stay."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names, self.known = names, names.copy()

    def put_back(self) -> bool:
        """True if there was one to put back."""
        try:
            if self.names == self.known:  # 600 names after each plugin: this is ten times as quick as the loop below
                return False
        except Exception:  # of the __eq__ of what a plugin put there
            pass
        lost = {name: value for name, value in self.known.items() if self.names.get(name, self) is not value}
        self.names.update(lost)
        self.known = self.names.copy()
        return bool(lost)


class Surroundings:
    """The state of the process as it is when this object is made, which serves for one plugin after the other."""

    def __init__(self) -> None:
        self.folder = _working_folder()
        self.umask = os.umask(0o077)
        os.umask(self.umask)
        self.environment = dict(os.environ)
        self.user = (os.geteuid(), os.getegid())
        self.handlers = [_signal.getsignal(number) for number in SIGNALS]
        self.mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
        self.streams = [getattr(sys, name) for name in STREAMS]
        self.path, self.argv = sys.path[:], sys.argv[:]
        self.modules = Names(sys.modules)
        self.names = [Names(vars(module)) for module in SHARED]
        root = logging.getLogger()
        self.log = (root.level, root.handlers[:], root.disabled, root.manager.disable)

    def restore(self, own: str = "") -> list[str]:
        """Put it all back. Modules that were imported since belong to it from now on, but for `own`, the plugin's.

        Returns what had been changed, in words.
        """
        # Names first: what follows calls functions of os.
        names = [known.put_back() for known in self.names]
        sys.modules = self.modules.names
        changed = {"names of builtins, os or genpack_init": any(names)}
        changed["sys.path or standard streams"] = self._streams()
        changed["modules"] = self._modules(own)
        changed["effective user"] = self._user()
        changed["working folder"] = _working_folder() != self.folder
        if changed["working folder"]:
            os.chdir(self.folder)
        changed["umask"] = os.umask(self.umask) != self.umask
        changed["environment"] = dict(os.environ) != self.environment
        if changed["environment"]:
            os.environ.clear()
            os.environ.update(self.environment)
        changed["signals"] = self._signals()
        changed["logging"] = self._logging()
        return [what for what, so in changed.items() if so]

    def _streams(self) -> bool:
        changed = [name for name, old in zip(STREAMS, self.streams, strict=True) if getattr(sys, name, None) is not old]
        for name, old in zip(STREAMS, self.streams, strict=True):
            setattr(sys, name, old)
        same = not changed and sys.path == self.path and sys.argv == self.argv
        if sys.path != self.path:  # what came from a folder that is gone again must not be found by the next plugin
            added = tuple(f"{os.path.abspath(folder)}/" for folder in sys.path if folder not in self.path)
            for name, module in list(sys.modules.items()):
                if name not in self.modules.known and str(getattr(module, "__file__", None)).startswith(added):
                    del sys.modules[name]
            sys.path[:] = self.path
        sys.argv[:] = self.argv
        return not same

    def _modules(self, own: str) -> bool:
        self.modules.names.pop(own, None)
        return self.modules.put_back()

    def _user(self) -> bool:
        if (os.geteuid(), os.getegid()) == self.user:
            return False
        os.seteuid(self.user[0])
        os.setegid(self.user[1])
        return True

    def _signals(self) -> bool:
        changed = False
        for timer in TIMERS:
            changed |= _signal.setitimer(timer, 0)[0] > 0
        if [*map(_signal.getsignal, SIGNALS)] != self.handlers:
            for number, old in zip(SIGNALS, self.handlers, strict=True):
                if _signal.getsignal(number) is not old and old is not None:
                    _signal.signal(number, old)
                    changed = True
        return _signal.pthread_sigmask(_signal.SIG_SETMASK, self.mask) != self.mask or changed

    def _logging(self) -> bool:
        root = logging.getLogger()
        level, handlers, disabled, manager = self.log
        if (root.level, root.handlers, root.disabled, root.manager.disable) == self.log:
            return False
        root.setLevel(level)
        root.handlers[:], root.disabled, root.manager.disable = handlers, disabled, manager
        return True


def _working_folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return "/"
