# SPDX-License-Identifier: MIT
"""Wi-Fi, held against wpa_supplicant and systemd-networkd themselves."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from genpack_init.testing import FakeSystem

Errors = Callable[[], list[str]]

CONF, NETWORK = "etc/wpa_supplicant/wpa_supplicant-wlan0.conf", "run/systemd/network/54-wlan.network"


@pytest.fixture
def machine(system: FakeSystem) -> FakeSystem:
    """Two wireless interfaces and a wired one."""
    for name in ("wlan1", "wlan0"):
        system.write(f"sys/class/net/{name}/phy80211/index", "0")
    system.write("sys/class/net/eth0/address", "")
    unit = "[Install]\nWantedBy=multi-user.target\n"
    system.write("usr/lib/systemd/system/wpa_supplicant@.service", unit)
    return system


def test_wpa2(machine: FakeSystem, plugins: dict[str, Path], errors: Errors) -> None:
    ini = 'wifi_ssid = Café "net" #1\nwifi_key = pa"ss;#w%%rd\nwifi_country = jp\n'
    assert machine.run(plugins["wifi"], ini).status == "ok"
    text = machine.read(CONF)
    # The key follows from name and passphrase: wpa_passphrase says the same, see the test below.
    ssid = 'Café "net" #1'.encode().hex()
    assert f"country=JP\nnetwork={{\n\tssid={ssid}\n\tscan_ssid=1\n\tkey_mgmt=WPA-PSK\n\tpsk=" in text
    assert stat.S_IMODE((machine.root / CONF).stat().st_mode) == 0o600
    assert machine.read(NETWORK) == (
        "[Match]\nName=wlan0\n\n[Network]\nDHCP=yes\nMulticastDNS=yes\nLLMNR=yes\n"
    )  # fmt: skip
    link = machine.root / "etc/systemd/system/multi-user.target.wants/wpa_supplicant@wlan0.service"
    assert link.is_symlink() and errors() == []
    old = link.rename(link.with_name("wpa_supplicant@wlan9.service"))
    machine.run(plugins["wifi"], ini)
    assert link.is_symlink() and not old.is_symlink()


def test_unit_for_any_interface(system: FakeSystem, plugins: dict[str, Path], errors: Errors) -> None:
    """The unit of net-wireless/wpa_supplicant_any80211 finds the interface itself."""
    unit = "usr/lib/systemd/system/wpa_supplicant_any80211.service"
    system.write(unit, "[Install]\nWantedBy=multi-user.target\n")
    system.run(plugins["wifi"], "wifi_ssid = a\nwifi_key = eight letters\n")
    assert "\tssid=61\n" in system.read("etc/wpa_supplicant/wpa_supplicant.conf")
    assert system.read(NETWORK).startswith("[Match]\nType=wlan\nWLANInterfaceType=station\n\n[Network]\n")
    links = list((system.root / "etc/systemd/system/multi-user.target.wants").iterdir())
    assert [link.name for link in links] == ["wpa_supplicant_any80211.service"] and errors() == []


def test_key_as_the_standard_has_it(machine: FakeSystem, plugins: dict[str, Path]) -> None:
    """The example of IEEE 802.11, annex J.4.2."""
    machine.run(plugins["wifi"], "wifi_ssid = IEEE\nwifi_key = password\n")
    assert "psk=f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e\n" in machine.read(CONF)
    machine.run(plugins["wifi"], f"wifi_ssid = IEEE\nwifi_key = {'AB' * 32}\n")
    assert f"psk={'ab' * 32}\n" in machine.read(CONF)


def test_wpa3_and_every_option(machine: FakeSystem, plugins: dict[str, Path]) -> None:
    ini = """\
wifi_ssid = a
wifi_key = ü
wifi_wpa3 = yes
wifi_sae_pwe = 1
wifi_mdns = no
wifi_llmnr = no
wifi_ignore_dns = yes
wifi_ignore_gateway = yes
wifi_required_for_online = no
wifi_systemd_config_file = 20-x.network
"""
    machine.run(plugins["wifi"], ini)
    text = machine.read(CONF)
    assert "sae_pwe=1\n" in text and "\tkey_mgmt=SAE\n\tsae_password=c3bc\n\tieee80211w=2\n" in text
    assert machine.read("run/systemd/network/20-x.network").split("\n\n") == [
        "[Match]\nName=wlan0",
        "[Link]\nRequiredForOnline=no",
        "[Network]\nDHCP=yes\nMulticastDNS=no\nLLMNR=no",
        "[DHCPv4]\nUseDNS=no\nUseRoutes=no",
        "[DHCPv6]\nUseDNS=no",
        "[IPv6AcceptRA]\nUseDNS=no\nUseGateway=no\n",
    ]
    machine.run(plugins["wifi"], "wifi_ssid = a\nwifi_key = b\nwifi_wpa3 = yes\n")
    assert "sae_pwe=2\n" in machine.read(CONF)
    machine.run(plugins["wifi"], "wifi_ssid = open\n")
    assert "\tkey_mgmt=NONE\n" in machine.read(CONF)


@pytest.mark.parametrize(
    ("ini", "said"),
    [
        (f"wifi_ssid = {'é' * 17}", "wifi_ssid: "),
        ("wifi_ssid = a\nwifi_key = sesame", "wifi_key: the value is not allowed"),
        ("wifi_ssid = a\nwifi_key = sesame" + "s" * 64, "wifi_key: the value is not allowed"),
        ("wifi_ssid = a\nwifi_key = sesamesesameé", "wifi_key: the value is not allowed"),
    ],
)
def test_bad_name_or_key_sets_nothing_up(
    machine: FakeSystem, plugins: dict[str, Path], errors: Errors, caplog: pytest.LogCaptureFixture,
    ini: str, said: str,
) -> None:  # fmt: skip
    machine.run(plugins["wifi"], ini)
    assert [line.startswith(f"system.ini: {said}") for line in errors()] == [True]
    assert "sesame" not in caplog.text and not (machine.root / CONF).exists()


def test_bad_options_and_the_rest_applies(machine: FakeSystem, plugins: dict[str, Path], errors: Errors) -> None:
    bad = {"country": "Japan", "sae_pwe": "3", "mdns": "x", "required_for_online": "A B", "systemd_config_file": "/x"}
    machine.run(plugins["wifi"], "wifi_ssid = a\n" + "".join(f"wifi_{key} = {value}\n" for key, value in bad.items()))
    assert sorted(line.split(":")[1] for line in errors()) == sorted(f" wifi_{key}" for key in bad)
    assert (machine.root / NETWORK).exists() and "country" not in machine.read(CONF)


def test_no_name_or_no_interface(system: FakeSystem, plugins: dict[str, Path], errors: Errors) -> None:
    system.run(plugins["wifi"], "wifi_country = JP")
    assert errors() == []
    system.run(plugins["wifi"], "wifi_ssid = a")
    assert errors() == ["wifi_ssid: this machine has no wireless interface"]
    assert not list(system.root.rglob("*.conf"))


def test_wpa_supplicant_reads_it(machine: FakeSystem, plugins: dict[str, Path]) -> None:
    """The real one parses the file (and then finds no such interface)."""
    files = {}
    for name, ini in {
        "wpa2": 'wifi_ssid = Café "net" #1\nwifi_key = pa"ss;#w%%rd\nwifi_country = jp',
        "wpa3": "wifi_ssid = a\nwifi_key = ü#\nwifi_wpa3 = yes",
        "open": "wifi_ssid = b",
    }.items():
        machine.run(plugins["wifi"], ini)
        files[name] = machine.write(f"{name}.conf", machine.read(CONF))
    files["broken"] = machine.write("broken.conf", machine.read(CONF).replace("ssid=62", "ssid=6"))
    for name, path in files.items():
        command: list[str | Path] = ["wpa_supplicant", "-dd", "-K", "-D", "none", "-i", "no-such-if", "-c", path]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        assert ("Failed to read or parse configuration" in done.stdout) == (name == "broken"), done.stdout
    command = ["wpa_passphrase", 'Café "net" #1', 'pa"ss;#w%rd']
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"\tpsk={said.rsplit('psk=', 1)[1].split()[0]}\n" in files["wpa2"].read_text()
