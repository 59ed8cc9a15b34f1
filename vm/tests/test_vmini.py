# SPDX-License-Identifier: MIT
"""vm.ini: values, old spellings, and every mistake with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from genpack_vm.errors import UsageError
from genpack_vm.vmini import parse, spec

INI = Path("/v/vm.ini")


def test_defaults() -> None:
    values, _ = parse(INI, "")
    assert (values["type"], values["memory"], values["cpu"], values["stop_timeout"]) == ("genpack", 2048, 1, 150)
    assert (values["kvm"], values["qga"], values["append"], values["accel"]) == (None, True, None, "2d")
    assert not [v for v in values.values() if isinstance(v, dict)]


def test_what_existing_files_use() -> None:
    """Comments with ;, names in any case, hexadecimal numbers, y and n; a value keeps its quotes, commas and %."""
    text = """\ufeff; a comment
# another one
Memory = 0x1000   ; in MiB
cpu=4
kvm: no, this is a value ; of nothing
[NET0]
Interface = user
VHOST = n
hostfwd = 8080-80, tcp:127.0.0.1:2222-:22
[net9]
[disk3]
virtio = F
serial = "x"
[firmware-string]
My.Key = a;b, %(c)s "d" $e
[application]
Key = v = w
[virtiofs]
rlimit-nofile = 1024
""".replace("kvm: no, this is a value ; of nothing\n", "kvm = T\n")
    values, _ = parse(INI, text)
    assert (values["memory"], values["cpu"], values["kvm"]) == (4096, 4, True)
    assert values["net0"]["interface"] == "user"
    assert values["net0"]["vhost"] is False
    assert values["net0"]["hostfwd"] == "8080-80, tcp:127.0.0.1:2222-:22"
    assert values["net9"]["interface"] is None
    assert "net1" not in values
    assert values["disk3"] == {"virtio": False, "serial": '"x"'}
    assert values["firmware-string"] == {"My.Key": 'a;b, %(c)s "d" $e'}
    assert values["application"] == {"Key": "v = w"}
    assert (values["virtiofs"]["rlimit-nofile"], values["virtiofs"]["cache"]) == (1024, "auto")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("memroy = 4096\n", "1: there is no key memroy; did you mean memory?"),
        ("\nmemory = 4G\n", "2: memory: '4G' is not a whole number"),
        ("memory = 128", "1: memory: 128 is not from 256 to 16777216"),
        ("cpu = 70000", "1: cpu: 70000 is not from 1 to 1024"),
        ("cpu =", "1: cpu: '' is not a whole number"),
        ("type = genpak", "1: type: 'genpak' is unknown; did you mean genpack?"),
        ("kvm = maybe", "1: kvm: 'maybe' is neither yes nor no"),
        ("[net10]\ninterface = br0", "1: there is no section [net10]; did you mean net1?"),
        ("[net0]\nmak = 1", "2: there is no key mak of [net0]; did you mean mac?"),
        ("[pci0]\nvga = y", "1: id of [pci0]: is missing"),
        ("cpu = 1\ncpu = 2", "2: cpu is there twice"),
        ("[net0]\n[net1]\n[NET0]", "3: [net0] is there twice"),
        ("what is this", "1: 'what is this' is neither [section] nor key = value"),
        ("[net0\nmac = x", "1: '[net0' is neither [section] nor key = value"),
        ("[[net0]]", "1: '[[net0]]' is neither [section] nor key = value"),
        ("[virtiofs]\ncache = allways", "2: cache of [virtiofs]: 'allways' is unknown; did you mean always?"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    with pytest.raises(UsageError) as e:
        parse(INI, text)
    assert f"/v/vm.ini:{message}" in str(e.value).splitlines()
    assert e.value.tip == "man vm.ini"


def test_man_page_has_every_key() -> None:
    text = (Path(__file__).resolve().parents[1] / "man" / "vm.ini.5").read_text().replace("\\-", "-")
    entries = " ".join(after.split("\n")[0] for after in text.split(".TP\n")[1:])
    words = set(entries.replace(",", " ").replace('"', " ").split()) - {".B", ".BR", ".I", ".IR", "or", "to"}
    files = {"vm.ini", "system", "data", "swapfile", "fs", "docker", "mysql", "cdrom", "system.ini"}
    files |= {f"{name}{n}" for name in ("disk", "usb") for n in (0, 9)}
    keys = {line.split("=")[0].strip() for line in spec() if "=" in line} - {"__many__"}
    assert words - files == keys


def test_every_mistake_is_named() -> None:
    with pytest.raises(UsageError) as e:
        parse(INI, "memory = 4G\ncup = 3\n[net0]\nvhost = 2\n")
    assert [line.split(":")[1] for line in str(e.value).splitlines()] == ["1", "2", "4"]
