# SPDX-License-Identifier: MIT
"""boot-report.txt: what is in it, when it is written, and that it stays small and whole."""

from __future__ import annotations

import json
import logging
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from genpack_init import log, report
from genpack_init.errors import GenpackInitError
from genpack_init.testing import FakeSystem, ini

ROWS = [
    {"plugin": "p.py", "section": section, "key": key, "type": "str", "default": None, "help": "h", "allowed": "",
     "group": "System", "secret": secret, "choices": None, "pattern": None, "minimum": None, "maximum": None}
    for section, key, secret in (("_default", "hostname", False), ("_default", "swapfile", False),
                                 ("_default", "root_password", True), ("network:*", "address", False))
]  # fmt: skip
INI = """\
hostname = lotus
root_password = sesame
swapfile = perhaps
hostnam = x
[network:eth0]
address = 192.0.2.1/24
"""
ADDRESSES = [
    {"ifname": "lo", "addr_info": []},
    {"ifname": "eth0", "addr_info": [
        {"local": "192.0.2.1", "prefixlen": 24}, {"local": "2001:db8::99", "prefixlen": 64, "temporary": True},
        {"local": "2001:db8::1", "prefixlen": 64}, {},
    ]},
]  # fmt: skip
FINISHED = """\
Image: hello, variant red, x86_64, profile paravirt, packages of 2026-11-20
Errors:
  system.ini: swapfile: 'perhaps' is not allowed; allowed: yes or no
  plugin 45-x.py failed: ValueError
  (not shown) is said by a careless plugin
  system.ini: line 9: neither [section] nor key = value; left out
  system.ini: hostnam: no plugin reads this key; did you mean hostname?
Settings of system.ini:
  hostname = lotus
  root_password (not shown)
  [network:eth0] address = 192.0.2.1/24
Boot: finished; failed: bad.service
Addresses:
  eth0: 192.0.2.1/24, 2001:db8::1/64
Update: none under way
"""


@pytest.fixture
def device(system: FakeSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSystem]:
    """A machine with a FAT boot partition, and the programs that tell of services and addresses."""
    boot = system.write("run/initramfs/boot/system.img", "").parent
    system.write("proc/self/mountinfo", f"1 0 0:1 / / rw - overlay o rw\n2 1 0:2 / {boot} rw - vfat /dev/sda1 rw,x\n")
    for name, text in (("artifact", "hello"), ("variant", "red"), ("arch", "x86_64"), ("profile", "paravirt"),
                       ("timestamp.commit", "0123 1 2026-11-20T01:02:03+00:00\n"),
                       ("system_ini.json", json.dumps({"version": 1, "keys": ROWS}))):  # fmt: skip
        system.write(f".genpack/{name}", text)
    tools = {"ip": json.dumps(ADDRESSES), "systemctl": "bad.service loaded failed failed Bad"}
    for name, said in tools.items():
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{said}'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    memory = log.Memory()
    logging.getLogger().addHandler(memory)
    yield system
    logging.getLogger().removeHandler(memory)


def start(device: FakeSystem, text: str = INI, *, errors: bool = True) -> bool:
    """A boot up to the report's plugin."""
    parsed = ini(text)
    parsed.files = [f"{device.root}/run/initramfs/boot/system.ini"]
    parsed.sources = dict.fromkeys(parsed.sources, parsed.files[0])
    (memory,) = (handler for handler in logging.getLogger().handlers if isinstance(handler, log.Memory))
    memory.lines.clear()
    if errors:
        logging.error("%s: swapfile: 'perhaps' is not allowed; allowed: yes or no", parsed.files[0])
        logging.error("plugin 45-x.py failed: ValueError: abc\ndef")
        logging.error("sesame is said by a careless plugin")
        logging.warning("%s: line 9: neither [section] nor key = value; left out", parsed.files[0])
        logging.warning("something else, for the log alone")
    return report.begin(parsed)


def path(device: FakeSystem) -> Path:
    return device.root / "run/initramfs/boot/boot-report.txt"


def entries(device: FakeSystem) -> list[str]:
    """The entries without their times, as Notepad shows them."""
    data = path(device).read_bytes()
    assert data.startswith(b"\xef\xbb\xbfWhat this machine found") and len(data) <= 16384
    text = data.decode("utf-8-sig")
    assert "\n" not in text.replace("\r\n", "")
    head, *parts = text.replace("\r\n", "\n").split("\n== ")
    assert head.count("\n") == 1
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\n", part) for part in parts)
    return [part.partition("\n")[2] for part in parts]


def test_begun_and_finished(device: FakeSystem) -> None:
    assert start(device)
    common = FINISHED.partition("Boot: ")[0]
    assert entries(device) == [f"{common}Boot: not finished\n"]
    report.finish()
    assert entries(device) == [FINISHED]
    assert stat.S_IMODE(path(device).stat().st_mode) == 0o600
    assert "sesame" not in path(device).read_text() and "sesame" not in device.read(report.STATE)


def test_a_boot_like_the_one_before_writes_nothing(device: FakeSystem) -> None:
    start(device)
    report.finish()
    before = path(device).stat()
    start(device)
    report.finish()
    assert path(device).stat() == before
    start(device, "hostname = iris\n", errors=False)
    first, second = entries(device)
    end = "Errors: none\nSettings of system.ini:\n  hostname = iris\nBoot: not finished\n"
    assert first.startswith("Image: hello") and first.endswith(end)
    assert second == FINISHED
    report.finish()
    assert len(entries(device)) == 2 and entries(device)[0].endswith("Update: none under way\n")


def test_only_the_end_differs(device: FakeSystem) -> None:
    start(device)
    report.finish()
    start(device)
    device.write("run/initramfs/boot/grubenv", "# GRUB Environment Block\ntries=2\n#####")
    report.finish()
    assert [text.splitlines()[-1] for text in entries(device)] == [
        "Update: a new image is on trial", "Update: none under way",
    ]  # fmt: skip
    device.write("run/initramfs/boot/grubenv", "# GRUB Environment Block\nnew=1\ntries=2\n#####")
    assert report.update() == "not complete; it goes on at the next start"
    device.write("proc/cmdline", "genpack.image=system.old")
    assert report.update() == "the previous image was started (system.old)"


def test_a_boot_that_hangs_keeps_its_entry(device: FakeSystem) -> None:
    start(device)
    written = path(device).stat()
    start(device)  # it hung again
    assert path(device).stat() == written
    report.finish()
    assert [text.partition("Boot: ")[2].split()[0] for text in entries(device)] == ["finished;", "not"]


def test_ten_entries_in_16_kb(device: FakeSystem) -> None:
    for number in range(12):
        start(device, f"hostname = host{number}\n", errors=False)
    assert [re.findall(r"host\d+", text)[-1] for text in entries(device)] == [f"host{n}" for n in range(11, 1, -1)]
    for number in range(4):
        text = f"hostname = host{number}\n" + "".join(f"[network:é{n}]\naddress = {'é' * 100}\n" for n in range(30))
        start(device, text, errors=False)
    assert 1 < len(entries(device)) < 5
    start(device, "".join(f"[network:{n}]\naddress = {'あ' * 500}\n" for n in range(100)), errors=False)
    (one,) = entries(device)
    assert one.startswith("Image: hello") and one.count("あ" * 200) > 5 and "\n  ...\nBoot: not finished\n" in one
    before = path(device).stat()
    start(device, "".join(f"[network:{n}]\naddress = {'あ' * 500}\n" for n in range(100)), errors=False)
    assert path(device).stat() == before


def test_many_lines_are_counted() -> None:
    lines = report.listed("Errors", [f"a \n b {'x' * 300}"] * 61).splitlines()
    assert (len(lines), lines[-1], len(lines[1])) == (62, "  ... and 1 more", 242)


def test_image_without_a_table_shows_names_alone(device: FakeSystem) -> None:
    for text in (None, "broken"):
        (device.root / ".genpack/system_ini.json").unlink() if text is None else device.write(report.KEY_TABLE, text)
        start(device, "hostname = lotus\n", errors=False)
        assert "Errors: none\nSettings of system.ini:\n  hostname (not shown)\n" in entries(device)[0]


@pytest.mark.parametrize("mount", ["vfat /dev/sda1 ro", "iso9660 /dev/sr0 rw", "btrfs /dev/sda1 rw"])
def test_only_on_fat_that_can_be_written(device: FakeSystem, mount: str) -> None:
    boot = path(device).parent
    device.write("proc/self/mountinfo", f"1 0 0:1 / / rw - overlay o rw\n2 1 0:2 / {boot} rw - {mount}\n")
    assert not start(device)
    assert not path(device).exists() and not (device.root / report.STATE).exists()
    with pytest.raises(GenpackInitError, match="no FAT boot partition"):
        report.finish()
    device.write("proc/self/mountinfo", "1 0 0:1 / / rw - vfat /dev/sda1 rw\n")  # the root is: the folder is not one
    assert not start(device)


def test_finish_without_a_beginning(device: FakeSystem) -> None:
    with pytest.raises(GenpackInitError, match=r"genpack-boot-report\.json: no such file"):
        report.finish()


def test_what_the_owner_did_to_the_file_does_no_harm(device: FakeSystem) -> None:
    path(device).write_bytes(b"\xff\xfe my notes\n== \r\n== yesterday\r\nall well\n\n\n" + b"x" * 100_000)
    start(device)
    report.finish()
    assert path(device).read_bytes().decode("utf-8-sig").count("\r\n== ") >= 1
    assert "Boot: finished; failed: bad.service" in path(device).read_text()
    assert len(path(device).read_bytes()) <= 16384


def test_waits_for_an_address(device: FakeSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ip").write_text(f"""#!/bin/sh
if [ -e {tmp_path}/asked ]; then echo '{json.dumps(ADDRESSES)}'; else echo '[]'; touch {tmp_path}/asked; fi
""")
    monkeypatch.setattr(report.time, "sleep", lambda seconds: None)
    assert report.wait_for_addresses() == ["eth0: 192.0.2.1/24, 2001:db8::1/64"]
    (tmp_path / "ip").write_text("#!/bin/sh\necho nonsense\n")
    monkeypatch.setattr(report, "ADDRESS_SECONDS", 0)
    assert report.wait_for_addresses() == []


def test_power_cut_leaves_the_old_file(device: FakeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    start(device)
    before = path(device).read_bytes()

    def cut(*_: object) -> None:
        raise OSError(5, "cut")

    monkeypatch.setattr(os, "replace", cut)
    with pytest.raises(OSError, match="cut"):
        start(device, "hostname = iris\n")
    assert path(device).read_bytes() == before
