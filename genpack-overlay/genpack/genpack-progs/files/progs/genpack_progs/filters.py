# SPDX-License-Identifier: MIT
"""Which of a package's files go into an image."""

from __future__ import annotations

import re

# State of the running system or of the build; /usr/lib/genpack and dracut's modules serve the build alone.
NEVER = re.compile(r"/(run|var/run|var/lock|var/cache|usr/src/linux[^/]*|usr/lib/(dracut|genpack))(/|$)")

# What only a person who develops in the image wants.
DEVEL = re.compile(
    r"/usr/(local/)?(include|(share/)?(man|doc|info|gtk-doc))(/|$)"
    r"|/.*\.a$"
    # The tests of Python's own library, not those of modules that were installed into it.
    r"|/usr/lib[^/]*/python3[^/]*/(test|[a-z0-9_]+/tests?|idlelib/idle_test)(/|$)"
)
PYTHON_MODULES = re.compile(r"/usr/lib[^/]*/python3[^/]*/(site|dist)-packages(/|$)")


def belongs(path: str, *, devel: bool) -> bool:
    """Does a path (absolute, its parents resolved) belong into an image? `devel`: into one for developers."""
    if NEVER.match(path):
        return False
    return devel or not DEVEL.match(path) or _module_test(path)


def _module_test(path: str) -> bool:
    return bool(PYTHON_MODULES.match(path)) and not path.endswith(".a")
