# SPDX-License-Identifier: MIT
"""The plugins of genpack-artifacts: those of its artifacts and of its stencils."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import OVERLAY
from genpack_init import tables
from genpack_init.testing import FakeSystem, ini

ARTIFACTS = OVERLAY.parent / "genpack-artifacts"
PLUGINS = {
    str(path.relative_to(ARTIFACTS)).replace("/files/usr/lib/genpack-init", ""): path
    for path in sorted(ARTIFACTS.glob("**/files/usr/lib/genpack-init/*.py"))
    if "templates" not in path.parts
}
KEY = "A" * 43 + "="


@pytest.mark.parametrize("name", PLUGINS)
def test_table(name: str) -> None:
    plugin = tables.describe(str(PLUGINS[name]))
    assert plugin.error is None
    assert plugin.keys
    for key in plugin.keys:
        assert key.help and not key.help.endswith("."), key
        assert key.section != "_default", "a key of one artifact alone is in a section of its own"
        assert key.allowed or not (key.pattern or key.choices), key
        assert not (key.pattern and re.search(r"\\[AZz]|\(\?P|\(\?[aims]", key.pattern)), "not JavaScript"


@pytest.mark.parametrize("name", PLUGINS)
def test_readme_names_every_key(name: str) -> None:
    path = PLUGINS[name]
    readme = (next(parent for parent in path.parents if parent.name == "files").parent / "README.md").read_text()
    for key in tables.describe(str(path)).keys:
        section = re.escape(f"`[{key.section}]`").replace(r"\*", r"\w+")
        assert re.search(rf"^\| {section} .*`{key.key}`", readme, re.MULTILINE), key


@pytest.mark.parametrize("name", PLUGINS)
def test_nothing_given_logs_no_error(system: FakeSystem, errors: Callable[[], list[str]], name: str) -> None:
    assert system.run(PLUGINS[name]).status == "ok"
    assert errors() == []


@pytest.mark.parametrize("name", PLUGINS)
def test_a_bad_value_of_every_key_with_a_rule_is_one_error(name: str) -> None:
    plugin = tables.describe(str(PLUGINS[name]))
    sections: dict[str, list[str]] = {}
    expected = set()
    for key in plugin.keys:
        if key.pattern or key.choices or key.type in ("bool", "int"):
            section = key.section.replace("*", "x")
            sections.setdefault(section, []).append(f"{key.key} = '\"'\n")
            expected.add(f"[{section}] {key.key}")
    text = "".join(f"[{section}]\n{''.join(lines)}" for section, lines in sections.items())
    bad, broken = tables.bad_values(ini(text), [plugin])
    assert broken == []
    assert {line.split(": ")[1] for line in bad} == expected


def plugin(name: str) -> Path:
    return next(path for key, path in PLUGINS.items() if key.endswith(name))


def test_wireguard(system: FakeSystem, errors: Callable[[], list[str]]) -> None:
    system.write("etc/group", "systemd-network:x:0:\n")
    text = f"[wireguard]\nprivate_key = {KEY}\naddress = 10.8.0.1/24, fd00::1/64\nlisten_port = 51820\n"
    text += f"[wireguard:phone]\npublic_key = {KEY}\nallowed_ips = 10.8.0.2/32\nkeepalive = 25\n[wireguard:x]\n"
    assert system.run(plugin("stencils/wireguard/45-wireguard.py"), text).status == "ok"
    device = system.root / "run/systemd/network/60-wg0.netdev"
    assert device.stat().st_mode & 0o777 == 0o640
    assert device.read_text().splitlines()[3:] == [
        "",
        "[WireGuard]",
        f"PrivateKey={KEY}",
        "ListenPort=51820",
        "",
        "[WireGuardPeer]",
        f"PublicKey={KEY}",
        "AllowedIPs=10.8.0.2/32",
        "RouteTable=main",
        "PersistentKeepalive=25",
    ]
    assert "Address=10.8.0.1/24\nAddress=fd00::1/64\n" in system.read("run/systemd/network/60-wg0.network")
    assert errors() == ["system.ini: [wireguard:x]: no public_key, so this machine is left out"]


def test_a_key_that_is_gone_takes_its_setting_with_it(system: FakeSystem) -> None:
    kiosk, backup = plugin("kiosk/80-kiosk.py"), plugin("borg-backup/81-backup.py")
    system.run(kiosk, "[kiosk]\nurl = https://example.org/\n")
    assert system.read("etc/kiosk/url") == "https://example.org/\n"
    system.run(kiosk)
    assert not (system.root / "etc/kiosk/url").exists()
    system.run(backup, "[backup]\nrepository = ssh://b/r\npassphrase = long enough\npaths = /etc, /srv\n")
    assert system.read("etc/borg-backup/paths") == "/etc\n/srv\n"
    assert (system.root / "etc/borg-backup/passphrase").stat().st_mode & 0o777 == 0o600
    system.run(backup)
    assert not list((system.root / "etc/borg-backup").iterdir())
