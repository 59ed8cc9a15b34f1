# SPDX-License-Identifier: MIT
"""A boot without a machine: PID 1 in a PID namespace, with a private copy-on-write view of this root."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PLUGINS = "usr/lib/genpack-init"

# What the fake init leaves in /result/init for the test. Shell builtins alone: a fork would change what it sees.
INIT = """\
#!/bin/sh
exec >/result/init 2>&1
echo "pid=$$ args=$*"
show() { while read -r key value; do case $key in Name: | State: | SigBlk:) echo "$key $value" ;; esac; done; }
for f in /proc/[0-9]*/status; do [ -r "$f" ] && show <"$f"; done
for n in 0 1 2 3 4 5 6 7 8 9 11 12 13 14 15; do [ -e /proc/1/fd/$n ] && echo "fd $n"; done
export -p
cp /run/genpack-init.json /var/log/genpack-init.log /result/ 2>/dev/null
exit 0
"""

# Runs as PID 1 of the namespace and becomes genpack-init. $T: a folder for this boot.
SETUP = """\
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$T/layer"
mkdir "$T/layer/upper" "$T/layer/work"
mount -t overlay -o lowerdir=/,upperdir="$T/layer/upper",workdir="$T/layer/work" overlay "$T/root"
R=$T/root
mkdir -p "$R$PREFIX" "$R/result" "$R/usr/lib/genpack-init"
mount -t tmpfs tmpfs "$R/run"
mkdir "$T/layer/upper2" "$T/layer/work2"
mount -t overlay -o lowerdir="$PREFIX",upperdir="$T/layer/upper2",workdir="$T/layer/work2" overlay "$R$PREFIX"
mount -t tmpfs tmpfs "$R/dev"
mknod "$R/dev/null" c 1 3
touch "$R/dev/kmsg" "$R/dev/console"
mount --bind "$T/kmsg" "$R/dev/kmsg"
mount --bind "$T/console" "$R/dev/console"
mount --bind "$T/result" "$R/result"
cp -r "$T/plugins/." "$R/usr/lib/genpack-init/"
rm -f "$R/usr/sbin/init" "$R/usr/bin/init"
cp "$T/init" "$R/usr/sbin/init"
mount -t proc proc "$R/proc"
mount --bind "$T/cmdline" "$R/proc/cmdline"
if [ -n "$KEEP" ]; then mkdir -p "$R$KEEP"; mount --bind "$KEEP" "$R$KEEP"; fi
eval "$EXTRA"
cd /
eval "exec chroot \\"\\$R\\" \\"\\$PREFIX/bin/genpack-init\\" splash 3 $REDIRECT"
"""


def instrumented() -> dict[str, str]:
    """KEEP: the build folder of programs built with GENPACK_INIT_CHECKS, which write their counters there; or empty."""
    return {"KEEP": os.environ.get("GENPACK_INIT_BUILD", "")}


@dataclass(frozen=True)
class Boot:
    """What was seen of a boot."""

    folder: Path
    seconds: float
    status: int

    def _text(self, name: str) -> str:
        path = self.folder / name
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def kernel_log(self) -> str:
        """All lines written to /dev/kmsg."""
        return self._text("kmsg")

    @property
    def console(self) -> str:
        """What was written to /dev/console and to the standard output and error."""
        return self._text("console")

    @property
    def init(self) -> str:
        """What the fake init saw; empty if it never ran."""
        return self._text("result/init")

    def result(self, name: str) -> str:
        """A file that a plugin or init left in /result."""
        return self._text(f"result/{name}")


def start(
    folder: Path, plugins: dict[str, str], cmdline: str = "", extra: str = "", redirect: str = ""
) -> subprocess.Popen[bytes]:
    """Start a boot in `folder`. `extra`: shell code before PID 1 starts ($R is the root); `redirect`: of its stdio."""
    for name in ("layer", "root", "result", "plugins"):
        (folder / name).mkdir(parents=True)
    for name, text in {"kmsg": "", "console": "", "cmdline": f"ro quiet {cmdline}\n", "init": INIT}.items():
        (folder / name).write_text(text)
    (folder / "init").chmod(0o755)
    for name, source in plugins.items():
        (folder / "plugins" / name).write_text(source)
    return subprocess.Popen(
        ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "sh", "-c", SETUP],
        env={
            "T": str(folder), "PREFIX": sys.prefix, "EXTRA": extra, "REDIRECT": redirect,
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **instrumented(),
        },
        stdin=subprocess.DEVNULL,
        stdout=(folder / "console").open("ab"),
        stderr=subprocess.STDOUT,
    )  # fmt: skip


def boot(folder: Path, plugins: dict[str, str], cmdline: str = "", extra: str = "", redirect: str = "") -> Boot:
    """A whole boot; the namespace and its mounts are gone afterwards."""
    begin = time.monotonic()
    with start(folder, plugins, cmdline, extra, redirect) as process:
        try:
            status = process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return Boot(folder, time.monotonic() - begin, status)


def why_not() -> str | None:
    """Why this machine can't do it, or None."""
    if os.geteuid() != 0:
        return "needs root: PID and mount namespaces"
    probe = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"no namespaces here: {done.stderr.strip()}"
