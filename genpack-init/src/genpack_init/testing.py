# SPDX-License-Identifier: MIT
"""For the tests of plugins: a fake root, a fake native layer and an `ini` object, without root rights or a VM.

    from genpack_init.testing import FakeSystem

    def test_my_plugin(tmp_path):
        with FakeSystem(tmp_path) as system:
            system.write("etc/passwd", "root:x:0:0::/root:/bin/bash\\n")
            result = system.run("my-plugin.py", "hostname = orchid")
        assert result.status == "ok"
        assert system.read("etc/hostname") == "orchid\\n"
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

from genpack_init import _native, plugins, systemini
from genpack_init.paths import rooted


def ini(text: str = "") -> systemini.SystemIni:
    """system.ini with this text, as a plugin gets it."""
    return systemini.load([("system.ini", text.encode())])[0]


class FakeSystem:
    """While it is entered, the plugin API works on `root`, and its mounts only go into `calls`."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        self.calls: list[tuple[str, ...]] = []
        self.status = 0  # what mount and umount return: 0 or an errno
        self._stack = ExitStack()

    def __enter__(self) -> FakeSystem:
        self._stack.enter_context(rooted(self.root))
        self._stack.enter_context(mock.patch.object(_native, "mount", self._mount))
        self._stack.enter_context(mock.patch.object(_native, "umount", self._umount))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _mount(self, source: str, target: str, fstype: str, flags: int, data: str) -> int:
        self.calls.append(("mount", source, target, fstype, str(flags), data))
        return self.status

    def _umount(self, target: str, flags: int) -> int:
        self.calls.append(("umount", target, str(flags)))
        return self.status

    def write(self, below: str, text: str | bytes) -> Path:
        """Make a file of the fake root, with its folders."""
        path = self.root / below.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def read(self, below: str) -> str:
        """The text of a file of the fake root."""
        return (self.root / below.lstrip("/")).read_text()

    def firmware_config(self, name: str, value: str | bytes) -> Path:
        """Give a fw_cfg value, such as "opt/vmname"."""
        return self.write(f"sys/firmware/qemu_fw_cfg/by_name/{name}/raw", value)

    def run(self, plugin: str | os.PathLike[str], text: str | systemini.SystemIni = "") -> plugins.Result:
        """Run a plugin's file with this system.ini, as at boot: what it raises is in the result."""
        return plugins.run_one(os.fspath(plugin), ini(text) if isinstance(text, str) else text, lambda line: None)
