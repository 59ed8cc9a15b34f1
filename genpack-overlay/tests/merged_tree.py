# SPDX-License-Identifier: MIT
"""A merged tree as package scripts see it: the packages' files below, an empty upper layer above, by overlayfs itself.

/usr is this machine's own with the files of a test before it, so that shell, systemctl, usermod and recursive-touch are
real; /etc and /var are the test's alone. What neither has (eselect, database servers) is a stand-in of the test, which
writes its arguments down.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

from conftest import PROGS

PASSWD = """root:x:0:0::/root:/bin/sh
mysql:x:60:60::/var/lib/mysql:/bin/false
postgres:x:70:70::/var/lib/postgresql:/bin/sh
nullmail:x:88:88::/var/spool/nullmailer:/bin/false
zabbix:x:329:329::/var/lib/zabbix:/bin/false
"""
GROUP = """root:x:0:
mysql:x:60:
postgres:x:70:
nullmail:x:88:
systemd-journal:x:190:
zabbix:x:329:
"""
# $1: where the layers live, $2: the lower layer, $3: for the upper ones, $4: CPV, and the script and its stand-ins.
DRIVER = """
mount -t tmpfs tmpfs "$1"
for d in usr etc var; do
    lower=$2/$d
    [ $d != usr ] || lower=$lower:/usr
    mkdir -p "$1/up/$d" "$1/work/$d" "$1/root/$d"
    mount -t overlay overlay -o "lowerdir=$lower,upperdir=$1/up/$d,workdir=$1/work/$d" "$1/root/$d"
done
cd "$1/root"
mkdir dev proc tmp root run
chmod 1777 tmp
for d in bin sbin lib lib64; do ln -s usr/$d $d; done
mount --rbind /dev dev
mount --bind /proc proc
cp -a "$2/stand-in" "$2/.genpack" .
for n in 1 2; do
    env -i PATH=/stand-in:/usr/sbin:/usr/bin CPV="$4" ARTIFACT=My_Image PROFILE=p chroot . "$5"
    cp -a "$1/up" "$3/$n"
done
"""


class MergedTree:
    def __init__(self, folder: Path) -> None:
        self.lower = folder / "lower"
        self.folder = folder
        for name in ("usr/bin", "etc", "var", "stand-in", ".genpack"):
            (self.lower / name).mkdir(parents=True)
        genpack = self.lower / "usr/lib/genpack"
        for name in ("progs", "package-scripts", "plugins"):
            shutil.copytree(PROGS / name, genpack / name, ignore=shutil.ignore_patterns("__pycache__"))
        for path in (genpack / "package-scripts").glob("*/*/*"):
            path.chmod(0o755)  # as the ebuild installs them
        shutil.copy(PROGS / "bin/recursive-touch", self.lower / "usr/bin")
        (self.lower / "usr/bin/recursive-touch").chmod(0o755)
        self.file("etc/passwd", PASSWD)
        self.file("etc/group", GROUP)
        kinds = ("auth", "account", "session")
        self.file("etc/pam.d/su", "".join(f"{kind} required pam_permit.so\n" for kind in kinds))

    def file(self, name: str, text: str = "", mode: int = 0o644) -> Path:
        """A file of a package."""
        path = self.lower / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def hide(self, name: str) -> None:
        """Keep a file that this machine may have out of the tree: overlayfs takes such a node for a removed file."""
        path = self.lower / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))

    def link(self, name: str, target: str) -> None:
        """A link that a package made when it was installed."""
        path = self.lower / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    def unit(self, name: str, install: str = "WantedBy=multi-user.target", kind: str = "system") -> None:
        self.file(f"usr/lib/systemd/{kind}/{name}", f"[Unit]\n[Service]\nExecStart=/bin/true\n[Install]\n{install}\n")

    def stand_in(self, name: str, body: str = "") -> None:
        """A command in the place of the real one; its arguments are appended to /var/calls of the upper layer."""
        self.file(f"stand-in/{name}", f'#!/bin/sh\necho "{name} $*" >> /var/calls\n{body}\n', 0o755)

    def fails(self, script: str, cpv: str) -> str:
        """Run a script that must fail; what it said."""
        done = self._run(script, cpv)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def run(self, script: str, cpv: str = "c/p-1") -> Path:
        """Run a script twice; the upper layer, in which the second run changed nothing but the list of calls."""
        done = self._run(script, cpv)
        assert done.returncode == 0, done.stderr
        first, second = (state(self.folder / n) for n in ("1", "2"))
        assert first == second
        return self.folder / "2"

    def _run(self, script: str, cpv: str) -> subprocess.CompletedProcess[str]:
        layers = self.folder / "layers"
        layers.mkdir()
        return subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-euc", DRIVER, "driver", layers, self.lower,
             self.folder, cpv, f"/usr/lib/genpack/package-scripts/{script}"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240)


def state(top: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a folder but times: mode, owner, and contents or target."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(top.rglob("*")):
        name, status = path.relative_to(top).as_posix(), path.lstat()
        if name == "var/calls":
            continue
        what: object = None
        if stat.S_ISLNK(status.st_mode):
            what = os.readlink(path)
        elif stat.S_ISREG(status.st_mode):
            what = path.read_bytes()
        found[name] = (oct(status.st_mode), status.st_uid, status.st_gid, what)
    return found
