# SPDX-License-Identifier: MIT
"""The WireGuard client wg-walbrix, held against wg-quick's own reader."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from genpack_init.testing import FakeSystem

Errors = Callable[[], list[str]]

PRIVATE, PUBLIC = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=", "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
INI = f"""\
[wg-walbrix]
privkey = {PRIVATE}
address = fd00::2/128, 192.0.2.2/32
pubkey = {PUBLIC}
endpoint = wg.example.org:51820
allowed_ips = fd00::/8
"""
CONF, KEY, UNIT = "etc/wireguard/wg-walbrix.conf", "etc/walbrix/privkey", "wg-quick@wg-walbrix.service"


@pytest.fixture
def machine(system: FakeSystem) -> FakeSystem:
    system.write("usr/lib/systemd/system/wg-quick@.service", "[Install]\nWantedBy=multi-user.target\n")
    return system


def enabled(machine: FakeSystem) -> bool:
    return (machine.root / "etc/systemd/system/multi-user.target.wants" / UNIT).is_symlink()


def test_set_up(
    machine: FakeSystem, plugins: dict[str, Path], errors: Errors, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        assert machine.run(plugins["wg-walbrix"], INI).status == "ok"
    assert machine.read(CONF) == (
        f"[Interface]\nPrivateKey = {PRIVATE}\nAddress = fd00::2/128, 192.0.2.2/32\n\n"
        f"[Peer]\nPublicKey = {PUBLIC}\nEndpoint = wg.example.org:51820\nAllowedIPs = fd00::/8\n"
        "PersistentKeepalive = 25\n"
    )
    assert machine.read(KEY) == PRIVATE
    assert {stat.S_IMODE((machine.root / path).stat().st_mode) for path in (CONF, KEY)} == {0o600}
    assert enabled(machine) and errors() == [] and PRIVATE not in caplog.text


@pytest.mark.parametrize(
    ("good", "bad", "error"),
    [
        (PRIVATE, PRIVATE[:-2], "[wg-walbrix] privkey: the value is not allowed"),
        (PUBLIC, PUBLIC[:-1] + "A", f"[wg-walbrix] pubkey: '{PUBLIC[:-1]}A' is not allowed"),
        ("fd00::2/128", "fd00::2/129", "[wg-walbrix] address: 'fd00::2/129' is not allowed"),
        ("org:51820", "org:65536", "[wg-walbrix] endpoint: 'wg.example.org:65536' is not allowed"),
        ("org:51820", "org", "[wg-walbrix] endpoint: 'wg.example.org' is not allowed"),
        ("fd00::/8\n", "everything\n", "[wg-walbrix] allowed_ips: 'everything' is not allowed"),
        ("endpoint = wg.example.org:51820\n", "", "[wg-walbrix]: endpoint missing; the tunnel is not set up"),
    ],
)
def test_bad_value(
    machine: FakeSystem, plugins: dict[str, Path], errors: Errors, caplog: pytest.LogCaptureFixture,
    good: str, bad: str, error: str,
) -> None:  # fmt: skip
    text = INI.replace(good, bad)
    assert text != INI
    machine.run(plugins["wg-walbrix"], text)
    assert len(errors()) == 1 and errors()[0].startswith(f"system.ini: {error}"), errors()
    written = ", ".join(INI.split("address = ")[1].splitlines()[0].split(", ")[1:])
    if error.startswith("[wg-walbrix] address"):  # the other address is good
        assert f"Address = {written}\n" in machine.read(CONF)
    else:
        assert not (machine.root / CONF).exists() and not enabled(machine)
    assert PRIVATE[:-2] not in caplog.text


def test_without_a_private_key_nothing_changes(machine: FakeSystem, plugins: dict[str, Path], errors: Errors) -> None:
    machine.run(plugins["wg-walbrix"], INI.replace("privkey", "#privkey"))
    assert errors() == [] and not (machine.root / "etc").exists()
