# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest
from genpack_progs.filters import belongs


@pytest.mark.parametrize("path", [
    "/run/foo", "/run", "/var/run/x", "/var/lock", "/var/cache/man", "/usr/src/linux", "/usr/src/linux-6.1/Makefile",
    "/usr/lib/dracut/modules.d/90genpack", "/usr/lib/genpack/progs",
])
def test_never(path: str) -> None:
    assert not belongs(path, devel=False)
    assert not belongs(path, devel=True)


@pytest.mark.parametrize("path", [
    "/usr/share/man/man1/ls.1", "/usr/share/doc", "/usr/share/info/dir", "/usr/share/gtk-doc/x", "/usr/include/stdio.h",
    "/usr/local/include/x.h", "/usr/local/share/man", "/usr/lib64/libc.a", "/usr/lib/python3.11/test/test_os.py",
    "/usr/lib/python3.12/idlelib/idle_test", "/usr/lib/python3.11/unittest/test/__init__.py",
    "/usr/lib/python3.11/site-packages/x/libx.a",
])
def test_only_for_developers(path: str) -> None:
    assert not belongs(path, devel=False)
    assert belongs(path, devel=True)


@pytest.mark.parametrize("path", [
    "/usr/bin/ls", "/usr/lib/genpack-init/10.py", "/usr/src/other", "/usr/share/manifest", "/usr/share/documents",
    "/var/cached", "/usr/lib/python3.11/unittest/mock.py", "/usr/lib/python3.11/site-packages/numpy/tests/x.py",
    "/usr/lib/python3/dist-packages/x/tests", "/usr/share/a.all", "/runtime", "/usr/lib/python3.11/site-packages/test",
])
def test_always(path: str) -> None:
    assert belongs(path, devel=False)
