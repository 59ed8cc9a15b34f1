# SPDX-License-Identifier: MIT
"""The in-image plugins of genpack-overlay, run by the installed genpack-init on a fake root. Needs no image.

Environment: GENPACK_INIT_BIN is the genpack-init to use; else the one on PATH.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
BASE = REPO / "genpack-overlay/genpack/base/files/plugins"
PARAVIRT = REPO / "genpack-overlay/genpack/paravirt/files/plugins"
FIRMWARE_CONFIG = "sys/firmware/qemu_fw_cfg/by_name"

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGoldenSampleKeyNumberOne00000000000000000"
OTHER = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 second@example.org"
THIRD = KEY.replace("One", "Tri")
HOST_KEYS = f"{KEY} 100%(timezone)s\n{OTHER}\n"
PASSWD = """\
root:x:0:0:root:/root:/bin/bash
service:x:999:999::/srv:/bin/sh
alice:x:1000:1001::/home/alice:/bin/bash
nohome:x:1002:1002::/home/nohome:/bin/bash
nologin:x:1003:1003::/home/nologin:/usr/sbin/nologin
nobody:x:65534:65534::/home:/bin/sh
"""


class Root:
    """A fake root with the plugins of both packages in it, as an image has them."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program, self.folder, self.path = program, folder, folder / "root"
        (folder / "tools").mkdir()  # outranks the real programs
        for plugin in (*BASE.glob("*.py"), *PARAVIRT.glob("*.py")):
            self.write(f"usr/lib/genpack-init/{plugin.name}", plugin.read_text())

    def write(self, below: str, text: str) -> Path:
        path = self.path / below
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def read(self, below: str) -> str | None:
        path = self.path / below
        return path.read_text() if path.exists() else None

    def files(self, below: str) -> list[str]:
        top = self.path / below
        return sorted(str(path.relative_to(top)) for path in top.rglob("*") if not path.is_dir() or path.is_symlink())

    def run(self, *names: str, ini: str = "") -> subprocess.CompletedProcess[str]:
        """Run plugins (all of them if none is named) with this system.ini."""
        (self.folder / "system.ini").write_text(ini)
        command = [self.program, "run", *(names or all_plugins()), "--ini", "system.ini", "--root", self.path]
        path = f"{self.folder}/tools:/usr/sbin:/usr/bin:/sbin:/bin"
        done = subprocess.run(command, cwd=self.folder, env={"PATH": path}, capture_output=True, text=True, check=False)
        assert "failed" not in done.stderr and "Traceback" not in done.stderr, done.stderr
        assert done.returncode == (1 if errors(done) else 0), done
        return done


def errors(done: subprocess.CompletedProcess[str]) -> list[str]:
    start = "genpack-init: error: "
    return [line.removeprefix(start) for line in done.stderr.splitlines() if line.startswith(start)]


def all_plugins() -> list[str]:
    return sorted(path.name for path in (*BASE.glob("*.py"), *PARAVIRT.glob("*.py")))


@pytest.fixture
def root(tmp_path: Path) -> Root:
    program = os.environ.get("GENPACK_INIT_BIN") or shutil.which("genpack-init")
    if not program:
        pytest.fail("genpack-init is neither on PATH nor in GENPACK_INIT_BIN: pip install the folder genpack-init")
    return Root(program, tmp_path)


def test_names() -> None:
    """Those of the plugins sort and don't clash, those of fw_cfg are the format's."""
    names = all_plugins()
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[0-9]{2}-[a-z_]+\.py", name) for name in names)
    assert names[0] == "05-fw_cfg.py"  # before everything that reads what it offers
    used = set(re.findall(r'"(opt/[\w.-]+)"', (PARAVIRT / names[0]).read_text()))
    assert used and used <= set(json.loads((REPO / "ci/formats/fw_cfg/names.json").read_text())["names"])


def test_nothing_given_changes_only_the_defaults(root: Root) -> None:
    before = set(root.files(""))
    assert errors(root.run()) == []
    assert set(root.files("")) - before == {"etc/machine-id", f"run/systemd/network/{DEFAULT}", RULES}


def test_check_knows_every_key(root: Root) -> None:
    keys = ["hostname", "timezone", "locale", "keymap", "ssh_pubkey", "root_password", "autologin", "ntp", "debug"]
    (root.folder / "i.ini").write_text("=\n".join([*keys, "[network]\ndhcp", "[network:eth0]\nvlan", ""]))
    command = [root.program, "check", "--json", "--ini", str(root.folder / "i.ini"), "--root", str(root.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)["problems"]) == (0, [])
    secret = {key["key"] for key in json.loads(done.stdout)["keys"] if key["secret"]}
    assert secret == {"root_password", "ssh_pubkey"}


def test_one_bad_value_and_the_other_keys_apply(root: Root) -> None:
    root.write("usr/share/zoneinfo/Asia/Tokyo", "")
    done = root.run(ini="hostname = -bad-\ntimezone = Asia/Tokyo\nlocale = ja_JP.UTF-8\nautologin = perhaps\n")
    assert errors(done) == [
        "system.ini: hostname: '-bad-' is not allowed; allowed: 1 to 64 letters, digits, hyphens and dots; "
        "each part starts and ends with a letter or digit",
        "system.ini: autologin: 'perhaps' is not allowed; allowed: yes, no, on, off, true, false, 1 or 0",
    ]
    assert os.readlink(root.path / "etc/localtime") == "../usr/share/zoneinfo/Asia/Tokyo"
    assert (root.read("etc/locale.conf"), root.read("etc/hostname")) == ("LANG=ja_JP.UTF-8\n", None)


def test_hostname_order(root: Root) -> None:
    service = "run/systemd/system/genpack-hostname.service"
    root.write(".genpack/artifact", "hello_world\n")
    for _ in range(2):  # a name that is there stays
        root.run("10-hostname", ini="hostname =\n")
        assert root.read("etc/hostname") == "hello-world\n"
    root.write("proc/cmdline", "ro systemd.hostname=vm-name quiet\n")
    root.run("10-hostname")
    assert root.read("etc/hostname") == "vm-name\n" and root.files("run") == []
    for _ in range(2):
        root.run("10-hostname", ini="HostName = orchid.example.org\n")
        assert root.read("etc/hostname") == "orchid.example.org\n"
    unit = root.read(service) or ""
    assert "Before=sysinit.target\n" in unit and "DefaultDependencies=no\n" in unit
    assert "ExecStart=/bin/sh -c 'echo orchid.example.org >/proc/sys/kernel/hostname'\n" in unit
    link = root.path / "run/systemd/system/sysinit.target.wants/genpack-hostname.service"
    assert link.resolve() == root.path / service
    command = ["systemd-analyze", "verify", "--man=no", str(root.path / service)]
    assert "genpack-hostname" not in subprocess.run(command, capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize("name", ["a b", "a_b", "-a", "a-", "a..b", "x" * 65, "a;reboot", "é", "$(id)", "a\n b"])
def test_hostname_that_is_none(root: Root, name: str) -> None:
    assert len(errors(root.run("10-hostname", ini=f"hostname = {name}\n"))) == 1
    assert root.files("run") == [] and root.read("etc/hostname") is None


TALK = "LLMNR=yes\nMulticastDNS=yes\n"
WIRED = "Type=ether\nKind=!*\nProperty=!GENPACK_VIRTUAL_FUNCTION=1"
RULE = 'SUBSYSTEM=="net", ACTION!="remove", TEST=="device/physfn", ENV{GENPACK_VIRTUAL_FUNCTION}="1"\n'
ZONE, KEYMAP = "etc/localtime", {"usr/share/keymaps/i386/jp106.map.gz": ""}
LOGIN = [f"etc/systemd/system/{unit}@.service.d/50-genpack-autologin.conf" for unit in ("getty", "serial-getty")]
DEFAULT, RULES = "90-genpack-default.network", "run/udev/rules.d/60-genpack-network.rules"


def net(**files: str | None) -> dict[str, str | None]:
    """networkd's files: eth0_10="..." is [Network] of 05-genpack-eth0.10.network."""
    names = {f"run/systemd/network/05-genpack-{name.replace('_', '.')}.network": name for name in files}
    return {path: f"[Match]\nName={name.replace('_', '.')}\n\n[Network]\n{files[name]}" for path, name in names.items()}


# One run each: plugin, files given, system.ini, files expected, beginnings of the error lines.
CASES: dict[str, tuple[str, dict[str, str], str, dict[str, str | None], list[str]]] = {
    "zone": ("20-timezone", {"usr/share/zoneinfo/UTC": "u", ZONE: "a copy"}, "timezone = UTC", {ZONE: "u"}, []),
    **{f"zone {zone}": ("20-timezone", {"usr/share/zoneinfo/Asia/Tokyo": "t", ZONE: "a copy"}, f"timezone = {zone}",
                        {ZONE: "a copy"}, [f"system.ini: timezone: {zone!r}"])
       for zone in ("Asia/Nowhere", "../../etc/passwd", "/etc/passwd", "Asia", "Asia/Tokyo/", "a b")},
    "locale and keymap keep other lines": (
        "21-locale", {"etc/locale.conf": "LANG=C\nLC_TIME=C\n", **KEYMAP},
        "locale = de_DE.UTF-8@euro\nkeymap = jp106",
        {"etc/locale.conf": "LC_TIME=C\nLANG=de_DE.UTF-8@euro\n", "etc/vconsole.conf": "KEYMAP=jp106\n"}, []),
    "locale and keymap unknown": (
        "21-locale", KEYMAP, "locale = 'C'\nkeymap = us", {"etc/locale.conf": None, "etc/vconsole.conf": None},
        ['system.ini: locale: "\'C\'"', "system.ini: keymap: 'us'"]),
    "autologin": ("52-autologin", {}, "autologin = on", {
        LOGIN[0]: "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --noclear %I $TERM\n"}, []),
    "autologin off": ("52-autologin", {LOGIN[1]: "x"}, "autologin = no", {LOGIN[1]: None}, []),
    "autologin absent": ("52-autologin", {LOGIN[0]: "x"}, "", {LOGIN[0]: "x"}, []),
    "no line for root": ("51-root_password", {"etc/shadow": "alice:!:::::::\n"}, "root_password = sesame",
                         {"etc/shadow": "alice:!:::::::\n"}, ["root_password: "]),
    "ntp": ("60-ntp", {}, "ntp = ntp.example.org, 192.0.2.1 2001:db8::1 b@d", {
        "run/systemd/timesyncd.conf.d/50-genpack.conf": "[Time]\nNTP=ntp.example.org 192.0.2.1 2001:db8::1\n"},
        ["system.ini: ntp: 'b@d'"]),
    "banner": (
        "90-banner", {".genpack/artifact": "hello", ".genpack/profile": "paravirt\n", ".genpack/arch": "x86_64"}, "",
        {"run/issue.d/10-genpack.issue": "hello (paravirt, x86_64), a genpack image; \\n, \\4\n\n"}, []),
    "network default": ("40-network", {}, "", {
        f"run/systemd/network/{DEFAULT}": f"[Match]\n{WIRED}\n\n[Network]\nDHCP=yes\n{TALK}", RULES: RULE}, []),
    **{f"network by {path}": ("40-network", {path: "x"}, "", {f"run/systemd/network/{DEFAULT}": None, RULES: None}, [])
       for path in ("etc/systemd/network/10-mine.network", "etc/NetworkManager/system-connections/a.nmconnection")},
    "network static": (
        "40-network", {}, "[network]\naddress = 192.0.2.10/24, 2001:db8::10/64\ngateway = 192.0.2.1\n"
        "dns = 192.0.2.53 2001:db8::53\ndomains = example.org ~corp\nmtu = 9000",
        {f"run/systemd/network/{DEFAULT}": None, "run/systemd/network/06-genpack-wired.network": (
            f"[Match]\n{WIRED}\n\n[Link]\nMTUBytes=9000\n\n[Network]\nDHCP=no\nAddress=192.0.2.10/24\n"
            "Address=2001:db8::10/64\nGateway=192.0.2.1\nDNS=192.0.2.53\nDNS=2001:db8::53\n"
            f"Domains=example.org ~corp\n{TALK}")}, []),
    "network VLANs and bridge": (
        "40-network", {}, "[network:eth0]\naddress = 192.0.2.10/24\ndhcp = ipv6\nvlan = 10 20\n[network:eth0.20]\n"
        "address = 198.51.100.2/24\n[network:eth1]\nbridge = br0\n[network:br0]\ndhcp = yes",
        {"run/systemd/network/05-genpack-eth0.10.netdev": "[NetDev]\nName=eth0.10\nKind=vlan\n\n[VLAN]\nId=10\n",
         "run/systemd/network/05-genpack-br0.netdev": "[NetDev]\nName=br0\nKind=bridge\n",
         **net(eth0_10=f"DHCP=yes\n{TALK}", eth0_20=f"DHCP=no\nAddress=198.51.100.2/24\n{TALK}",
               eth0=f"VLAN=eth0.10\nVLAN=eth0.20\nDHCP=ipv6\nAddress=192.0.2.10/24\n{TALK}",
               eth1="Bridge=br0\nLinkLocalAddressing=no\n", br0=f"DHCP=yes\n{TALK}")}, []),
    "network bad values": (
        "40-network", {}, "[network:eth0]\naddress = 192.0.2.10 192.0.2.11/33 192.0.2.12/24\nmtu = 1\ndns = none\n"
        "vlan = 5000\ndhcp = maybe\ngateway = 192.0.2.1\n[network:a/b]",
        net(eth0=f"DHCP=no\nAddress=192.0.2.12/24\nGateway=192.0.2.1\n{TALK}"),
        ["system.ini: [network:a/b]: not an", *(f"system.ini: [network:eth0] {text}" for text in (
            "address: '192.0.2.10'", "address: '192.0.2.11/33'", "dhcp: 'maybe'", "dns: 'none'", "mtu: '1'",
            "vlan: '5000'"))]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_one_run(root: Root, name: str) -> None:
    plugin, given, ini, expected, beginnings = CASES[name]
    for below, text in given.items():
        root.write(below, text)
    done = root.run(plugin, ini=f"{ini}\n")
    found = errors(done)
    assert "sesame" not in done.stderr
    assert len(found) == len(beginnings) and all(map(str.startswith, found, beginnings)), found
    assert {below: root.read(below) for below in expected} == expected
    files = [path for below in expected if (path := root.path / below).exists()]
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in files)  # the daemons that read them are not root


@pytest.mark.parametrize("text", ["", "uninitialized\n", "0" * 32, "XYZ"])
def test_machine_id_is_made_once(root: Root, text: str) -> None:
    root.write("etc/machine-id", text)
    root.run("30-machine_id")
    made = root.read("etc/machine-id") or ""
    assert re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}\n", made)
    root.run("30-machine_id")
    assert root.read("etc/machine-id") == made
    assert (root.path / "etc/machine-id").stat().st_mode & 0o777 == 0o444


def test_transient_machine_id_follows_from_the_hardware(root: Root) -> None:
    def made_ids() -> set[str | None]:  # those of two boots that begin without one
        found = set()
        for _ in range(2):
            (root.path / "etc/machine-id").unlink(missing_ok=True)
            root.run("30-machine_id")
            found.add(root.read("etc/machine-id"))
        return found

    root.write("sys/class/dmi/id/product_uuid", "00000000-0000-0000-0000-000000000000\n")
    assert len(made_ids()) == 2
    for name, kind in (("eth0", "0"), ("lo", "0"), ("veth1", "3")):
        root.write(f"sys/class/net/{name}/address", f"52:54:00:00:00:{len(name):02x}\n")
        root.write(f"sys/class/net/{name}/addr_assign_type", f"{kind}\n")
    assert len(made_ids()) == 2
    root.write("sys/class/net/eth0/device/vendor", "")
    by_address = made_ids()
    root.write("sys/class/dmi/id/product_uuid", "4C4C4544-0042-3510-8047-B4C04F4D4232\n")
    by_serial = made_ids()
    assert len(by_address) == len(by_serial) == 1 and by_serial != by_address
    rw = root.path / "run/initramfs/rw"
    rw.mkdir(parents=True)
    for source, number in (("btrfs /dev/vdb", 2), ("tmpfs tmpfs", 1)):
        root.write("proc/self/mountinfo", f"1 0 0:1 / / rw - overlay o rw\n2 1 0:2 / {rw} rw - {source} rw\n")
        assert len(made_ids()) == number


@pytest.fixture
def people(root: Root) -> Root:
    root.write("etc/passwd", PASSWD)
    for home in ("home/alice", "home/nologin", "srv", "root"):
        (root.path / home).mkdir(parents=True)
    return root


def test_keys_for_root_and_people(people: Root) -> None:
    people.run("50-ssh_pubkey", ini=f"ssh_pubkey =\n  {KEY} alice@example.org\n  # a comment\n  {OTHER}\n")
    assert people.files("root") == [".ssh/authorized_keys"]
    assert people.files("home") == ["alice/.ssh/authorized_keys"] and people.files("srv") == []
    for home, uid, gid in (("root", 0, 0), ("home/alice", 1000, 1001)):
        assert people.read(f"{home}/.ssh/authorized_keys") == f"{KEY} alice@example.org\n{OTHER}\n"
        for name, mode in ((".ssh", 0o40700), (".ssh/authorized_keys", 0o100600)):
            info = (people.path / home / name).stat()
            assert (info.st_uid, info.st_gid, info.st_mode) == (uid, gid, mode)


def test_keys_are_added_once_and_bad_lines_not_shown(people: Root) -> None:
    file = people.write("root/.ssh/authorized_keys", f"# mine\nno-pty {KEY} old comment")
    secret = "-----BEGIN OPENSSH PRIVATE KEY-----"
    ini = f"ssh_pubkey =\n  {KEY} new comment\n  {OTHER}\n  {OTHER} again\n  {secret}\n  ssh-ed25519 short\n"
    for _ in range(2):
        done = people.run("50-ssh_pubkey", ini=ini)
        assert file.read_text() == f"# mine\nno-pty {KEY} old comment\n{OTHER}\n"
        assert secret not in done.stderr and [line.split(";")[0] for line in errors(done)] == [
            f"system.ini: ssh_pubkey: 'line {number} (not shown)' is not allowed" for number in (4, 5)
        ]


def test_links_of_a_user_are_not_followed(people: Root) -> None:
    """A home belongs to its user, who must not make root write elsewhere or give away what it can read."""
    victim, ini = people.write("etc/victim", "secret\n"), f"ssh_pubkey = {KEY}\n"
    file = people.path / "home/alice/.ssh/authorized_keys"
    ssh = file.parent
    ssh.symlink_to(people.path / "etc")
    assert "ssh_pubkey: user alice: .ssh: Not a directory" in errors(people.run("50-ssh_pubkey", ini=ini))
    ssh.unlink()
    ssh.mkdir()
    make: Callable[[], None]
    for make in (lambda: file.symlink_to(victim), lambda: file.hardlink_to(victim), lambda: os.mkfifo(file)):
        make()
        assert len(errors(people.run("50-ssh_pubkey", ini=ini))) == 1
        file.unlink()
    (ssh / ".authorized_keys.tmp").symlink_to(victim)
    people.run("50-ssh_pubkey", ini=ini)
    assert file.read_text() == f"{KEY}\n" and victim.read_text() == "secret\n"
    assert people.read("root/.ssh/authorized_keys") == f"{KEY}\n"


def shadow(root: Root) -> list[str]:
    return (root.read("etc/shadow") or "").split("\n")[0].split(":")


def test_root_password(root: Root) -> None:
    root.write("etc/shadow", "root:*:19000:0:99999:7:::\nalice:!:19000::::::\n").chmod(0o640)
    done = root.run("51-root_password", ini="root_password = s;e#sa%me\n")
    made = shadow(root)
    assert made[1].startswith("$") and made[2:] == ["19000", "0", "99999", "7", "", "", ""]
    assert "s;e#sa%me" not in done.stderr and made[1] not in done.stderr
    assert (root.read("etc/shadow") or "").endswith("\nalice:!:19000::::::\n")
    assert (root.path / "etc/shadow").stat().st_mode & 0o777 == 0o640
    code = "import crypt,sys; sys.exit(crypt.crypt(sys.argv[1], sys.argv[2]) != sys.argv[2])"
    subprocess.run(["/usr/bin/python3", "-W", "ignore", "-c", code, "s;e#sa%me", made[1]], check=True)
    root.run("51-root_password", ini="root_password = s;e#sa%me\n")
    assert shadow(root)[1] == made[1]  # the same password keeps its hash
    text = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"
    for value in (text, ""):
        root.run("51-root_password", ini=f"root_password = {value}\n")
        assert shadow(root)[1] == text


@pytest.fixture
def given(people: Root) -> Root:
    for name, value in (("vmname", "vm1"), ("timezone", "Asia/Tokyo"), ("lang", "ja_JP.UTF-8"),
                        ("ssh-public-key", HOST_KEYS)):  # fmt: skip
        people.write(f"{FIRMWARE_CONFIG}/opt/{name}/raw", value)
    people.write("usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo")
    people.write("usr/share/zoneinfo/UTC", "UTC")
    return people


@pytest.mark.parametrize(
    ("ini", "expected"),
    [
        ("", ["vm1\n", "Asia/Tokyo", "LANG=ja_JP.UTF-8\n", HOST_KEYS]),
        (f"hostname = orchid\ntimezone = UTC\nlocale = C.UTF-8\nssh_pubkey = {THIRD}\n",
         ["orchid\n", "UTC", "LANG=C.UTF-8\n", f"{THIRD}\n{HOST_KEYS}"]),
    ],
)  # fmt: skip
def test_system_ini_outranks_fw_cfg_and_keys_add_up(given: Root, ini: str, expected: list[str]) -> None:
    assert errors(given.run(ini=ini)) == []
    files = ("etc/hostname", "etc/localtime", "etc/locale.conf", "root/.ssh/authorized_keys")
    assert [given.read(path) for path in files] == expected


def test_bad_fw_cfg_value_is_named(given: Root) -> None:
    given.write(f"{FIRMWARE_CONFIG}/opt/timezone/raw", "Mars/Base")
    given.write(f"{FIRMWARE_CONFIG}/opt/vmname/raw", "vm_1")
    given.write("proc/cmdline", "systemd.hostname=vm2")
    assert [line.split(" is not")[0] for line in errors(given.run())] == ["fw_cfg opt/timezone: timezone: 'Mars/Base'"]
    assert given.read("etc/hostname") == "vm2\n"


def test_swap(root: Root, tmp_path: Path) -> None:
    def switched_on() -> list[str]:  # a swapon that only writes down what it was asked for
        log = tmp_path / "swapon.log"
        log.write_text("")
        root.run("60-swap")
        return [Path(line).name for line in log.read_text().splitlines()]

    root.write("../tools/swapon", f'#!/bin/sh\necho "$@" >>{tmp_path}/swapon.log\n').chmod(0o755)
    disk = root.write("dev/vdc", "\0" * (1 << 20))
    assert switched_on() == []
    subprocess.run(["mkswap", disk], check=True, capture_output=True)
    assert switched_on() == ["vdc"]
    root.write("proc/swaps", f"Filename Type Size\n{disk} partition 1020 0 -2\n")
    assert switched_on() == []  # it is on already
    root.write("proc/swaps", "")
    root.write("sys/block/vdc/serial", "docker\n")
    assert switched_on() == []  # that disk is for something else
    root.write("sys/block/vdx/serial", "swap\n")
    disk = disk.rename(root.path / "dev/vdx")
    assert switched_on() == ["vdx"]
    disk.write_bytes(bytes(4096))  # a VM without swap has a stand-in there
    assert switched_on() == []
