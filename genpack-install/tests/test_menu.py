# SPDX-License-Identifier: MIT
"""The boot menu: GRUB can parse it, and it follows the rules of generations.py."""

from __future__ import annotations

import re
import subprocess

import pytest
from genpack_install import bootloader
from genpack_install.generations import Env, Name, order

NAMES = {"system.img": Name.CURRENT, "system.cur": Name.CUR, "$verified": Name.NEW, "system.old": Name.OLD}


@pytest.mark.spawns
def test_grub_parses_it() -> None:
    subprocess.run(["grub-script-check"], input=bootloader.grub_cfg(), text=True, check=True)


def test_names_in_the_order_of_the_rules() -> None:
    found = [
        line.split()[1:] for line in re.findall(r"^ *find_image .*\$verified.*$", bootloader.grub_cfg(), re.MULTILINE)
    ]
    orders = [[NAMES[word] for word in words] for words in found]
    previous, normal = order(Env(0, "id")), order(Env(2, "id"))
    # At tries=0, at a start that is counted or not, and the three entries of the menu.
    assert orders == [previous, normal, normal, normal, previous]


def test_every_count_goes_down_by_one() -> None:
    pairs = re.findall(r'if \[ "\$tries" = (\d) \]; then set left=(\d)', bootloader.grub_cfg())
    assert [(int(one), int(less)) for one, less in pairs] == [(n, n - 1) for n in range(1, 6)]
