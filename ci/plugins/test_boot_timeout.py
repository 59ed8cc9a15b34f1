# SPDX-License-Identifier: MIT
"""The time that the image of an update has to come up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from genpack_init.testing import FakeSystem

UNITS = "run/systemd/system"
TIMER = f"{UNITS}/sysinit.target.wants/genpack-boot-timeout.timer"
DROP_IN = f"{UNITS}/genpack-boot-timeout.timer.d/50-genpack.conf"


def boot(system: FakeSystem, tries: str, image: str = "system.img") -> None:
    system.write("run/initramfs/boot/grubenv", f"# GRUB Environment Block\n{tries}".ljust(1024, "#"))
    system.write("proc/cmdline", f"root=systemimg:1234-ABCD genpack.image={image} quiet\n")


@pytest.mark.parametrize("image", ["system.img", "system"])
def test_on_trial(system: FakeSystem, plugins: dict[str, Path], image: str) -> None:
    boot(system, "tries=2\n", image)
    assert system.run(plugins["boot_timeout"], "boot_timeout = 90\n").status == "ok"
    assert (system.root / TIMER).is_symlink()
    assert (system.root / DROP_IN).read_text() == "[Timer]\nOnBootSec=\nOnBootSec=90\n"
    watchdog = system.root / "run/systemd/system.conf.d/50-genpack-watchdog.conf"
    assert watchdog.read_text() == "[Manager]\nRuntimeWatchdogSec=60\n"


@pytest.mark.parametrize(("tries", "image"), [
    ("", "system.img"), ("other=1\n", "system.img"), ("tries=x\n", "system.img"), ("tries=0\n", "system.old"),
    ("tries=2\n", ""),
])
def test_not_on_trial(system: FakeSystem, plugins: dict[str, Path], tries: str, image: str) -> None:
    boot(system, tries, image)
    assert system.run(plugins["boot_timeout"]).status == "ok"
    assert not (system.root / UNITS).exists()


@pytest.mark.parametrize("value", ["29", "86401", "soon", ""])
def test_a_bad_value_is_said(
    system: FakeSystem, plugins: dict[str, Path], errors: Callable[[], list[str]], value: str
) -> None:
    boot(system, "tries=1\n")
    system.run(plugins["boot_timeout"], f"boot_timeout = {value}\n")
    assert errors() == [f"system.ini: boot_timeout={value}: 30 to 86400 seconds are allowed; it is 600 now"]
    assert "OnBootSec=600\n" in (system.root / DROP_IN).read_text()
