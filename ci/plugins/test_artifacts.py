# SPDX-License-Identifier: MIT
"""The plugins of genpack-artifacts: those of its artifacts and of its stencils."""

from __future__ import annotations

import json
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
        assert key.allowed or not (key.pattern or key.choices), key
        assert not (key.pattern and re.search(r"\\[AZz]|\(\?P|\(\?[aims]", key.pattern)), "not JavaScript"


@pytest.mark.parametrize("name", PLUGINS)
def test_readme_names_every_key(name: str) -> None:
    path = PLUGINS[name]
    readme = (next(parent for parent in path.parents if parent.name == "files").parent / "README.md").read_text()
    for key in tables.describe(str(path)).keys:
        section = re.escape(f"`[{key.section}]` ").replace(r"\*", r"\w+") if key.section != "_default" else ""
        assert re.search(rf"^\| {section}.*`{key.key}`", readme, re.MULTILINE), key


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
            bad_one = "x" * 500 if key.pattern and re.fullmatch(key.pattern, "'\"'") else "'\"'"
            sections.setdefault(section, []).append(f"{key.key} = {bad_one}\n")
            expected.add(key.key if section == "_default" else f"[{section}] {key.key}")
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


def test_suricata_listens_only_where_it_is_told(system: FakeSystem) -> None:
    name = plugin("suricata/80-suricata.py")
    system.run(name, "[suricata]\nhome_net = 192.0.2.0/24\n")
    assert not (system.root / "run/suricata-options").exists()
    system.run(name, "[suricata]\ninterface = enp2s0\nhome_net = 192.0.2.0/24, !192.0.2.1\n")
    assert system.read("run/suricata-options") == (
        "OPTIONS=-c /etc/suricata/suricata.yaml --af-packet=enp2s0"
        " --set vars.address-groups.HOME_NET=[192.0.2.0/24,!192.0.2.1]\n"
    )
    assert "Name=enp2s0\n" in system.read("run/systemd/network/10-suricata.network")


def test_borg_binds_each_key_to_its_client(system: FakeSystem, errors: Callable[[], list[str]]) -> None:
    text = "[borg:web1]\nkeys = ssh-ed25519 AAAA web1\n  ssh-ed25519 BBBB\nappend_only = yes\nquota = 20G\n"
    text += "[borg:../x]\nkeys = ssh-ed25519 CCCC\n"
    system.run(plugin("borg/80-borg.py"), text)
    command = 'command="borg serve --restrict-to-path /srv/borg/web1 --append-only --storage-quota 20G",restrict'
    lines = system.read("etc/ssh/authorized_keys.borg").splitlines()
    assert lines == [f"{command} ssh-ed25519 AAAA web1", f"{command} ssh-ed25519 BBBB"]
    assert len(errors()) == 1 and "[borg:../x]: not a client's name" in errors()[0]
    system.run(plugin("borg/80-borg.py"))
    assert system.read("etc/ssh/authorized_keys.borg") == ""


def test_camera(system: FakeSystem, errors: Callable[[], list[str]]) -> None:
    system.write("etc/group", "motion:x:0:\n")
    system.run(plugin("camera/80-camera.py"), "[camera]\nsize = 640x480\nrecord = no\nkeep = 3\nuser = me\n")
    lines = system.read("etc/motion/motion.conf").splitlines()
    assert {"width 640", "height 480", "framerate 10", "movie_output off"} <= set(lines)
    assert not any("auth" in line for line in lines)
    assert "user and password go together" in errors()[0]
    assert system.read("run/tmpfiles.d/camera.conf") == "e /var/lib/motion - - - 3d\n"
    system.run(plugin("camera/80-camera.py"), "[camera]\nuser = me\npassword = long enough\n")
    assert "[camera] password" in errors()[-2] and "long enough" not in errors()[-2]
    system.run(plugin("camera/80-camera.py"), "[camera]\nuser = me\npassword = long-enough\n")
    assert "stream_authentication me:long-enough\n" in system.read("etc/motion/motion.conf")
    assert (system.root / "etc/motion/motion.conf").stat().st_mode & 0o777 == 0o640


def test_streamer_is_on_air_only_with_a_server(system: FakeSystem) -> None:
    name = plugin("streamer/80-streamer.py")
    profile = "home/streamer/.config/obs-studio/basic/profiles/streamer"
    system.run(name, "[streamer]\nstart = yes\nsize = 1280x720\n")
    assert system.read("etc/streamer.conf") == "OPTIONS=\n"
    assert "OutputCX=1280\nOutputCY=720\n" in system.read(f"{profile}/basic.ini")
    system.run(name, "[streamer]\nstart = yes\nserver = rtmp://live.example.org/app\nkey = s3cret\n")
    assert system.read("etc/streamer.conf") == "OPTIONS=--startstreaming\n"
    service = system.root / profile / "service.json"
    assert json.loads(service.read_text())["settings"] == {"server": "rtmp://live.example.org/app", "key": "s3cret"}
    assert service.stat().st_mode & 0o777 == 0o600


def test_settings_in_run(system: FakeSystem) -> None:
    text = "[stub]\nsuite = bookworm\npackages = vim, curl\ndisk = /dev/vdc; reboot\n"
    system.run(plugin("stub/80-stub.py"), f"{text}mirror = https://mirror.example.org/debian\n")
    expected = "disk=/dev/vdb\nsuite=bookworm\nmirror=https://mirror.example.org/debian\npackages=vim,curl\n"
    assert system.read("run/stub.conf") == expected
    text = "[owncloud]\nurl = https://c.example.org\nadmin_password = 0123456789\n"
    system.run(plugin("owncloud/80-owncloud.py"), text)
    assert system.read("run/ocis.env") == "OCIS_URL=https://c.example.org\n"
    assert (system.root / "run/ocis-password").stat().st_mode & 0o777 == 0o600
    system.run(plugin("nextcloud/80-nextcloud.py"), "[nextcloud]\ndomains = a.example.org, b.example.org:8443\n")
    assert system.read("run/nextcloud-setup/domains") == "a.example.org\nb.example.org:8443\n"
    assert not (system.root / "run/nextcloud-setup/password").exists()
    system.run(plugin("redmine/80-redmine.py"), "[redmine]\nlanguage = ja\n")
    assert system.read("run/redmine.env") == "REDMINE_LANG=ja\n"
