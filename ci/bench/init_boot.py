# SPDX-License-Identifier: MIT
"""A boot with 0 to 100 plugins: PID 1 in a PID namespace, up to the exec of a fake /sbin/init.

The figures are CPU time and memory of the plugin host, which is all that PID 1 starts, as its next program sees them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from common import Bench, Row

#: Plugins and the milliseconds allowed for them.
LIMITS = {0: 60.0, 1: 62.0, 20: 70.0, 100: 90.0}
GROWTH = 0.4  # milliseconds a plugin
MEMORY = 20.0  # MB

PLUGIN = """\
# SPDX-License-Identifier: MIT
from genpack_init import root_path, replace_file

SYSTEM_INI = [{{"section": "_default", "key": "key{0}", "type": "str", "default": None, "help": "a text"}}]

def configure(ini):
    value = ini.get("_default", "key{0}", fallback=None)
    if value:
        replace_file(root_path("etc/bench/{0}"), value)
"""
INIT = """\
#!/usr/bin/python3 -IS
import json, resource
used = resource.getrusage(resource.RUSAGE_CHILDREN)
state = json.load(open("/run/genpack-init.json"))
found = {"ms": (used.ru_utime + used.ru_stime) * 1000, "mb": used.ru_maxrss / 1000}
found["good"] = state["run"] - state["failed"]
open("/result/found", "w").write(json.dumps(found))
"""
SETUP = """\
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$T/layer"
mkdir "$T/layer/upper" "$T/layer/work"
R=$T/root
mount -t overlay -o lowerdir=/,upperdir="$T/layer/upper",workdir="$T/layer/work" overlay "$R"
mkdir -p "$R/result" "$R/usr/lib/genpack-init" "$R$PREFIX"
mount --bind "$PREFIX" "$R$PREFIX"
mount --bind "$T/result" "$R/result"
mount -t tmpfs tmpfs "$R/run"
mkdir -p "$R/run/initramfs/boot"
cp "$T/system.ini" "$R/run/initramfs/boot/"
mount -t tmpfs tmpfs "$R/dev"
mknod "$R/dev/null" c 1 3
touch "$R/dev/kmsg"
rm -f "$R/usr/sbin/init"
cp "$T/init" "$R/usr/sbin/init"
cp -r "$T/plugins/." "$R/usr/lib/genpack-init/"
mount -t proc proc "$R/proc"
exec chroot "$R" "$PREFIX/bin/genpack-init"
"""


def boot(folder: Path, prefix: Path) -> dict[str, float]:
    """One boot with the plugins of `folder`: milliseconds, MB, number of plugins that did their work."""
    env = {"T": str(folder), "PREFIX": str(prefix), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", SETUP]
    found = folder / "result" / "found"
    found.unlink(missing_ok=True)
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if not found.exists():
        sys.exit(f"bench: the fake init never ran: {done.stdout}{done.stderr}")
    figures: dict[str, float] = json.loads(found.read_text())
    return figures


def prepare(folder: Path, plugins: int) -> None:
    """A folder for boots with `plugins` plugins that each read a key and write a file."""
    for name in ("layer", "root", "result", "plugins"):
        (folder / name).mkdir(parents=True)
    (folder / "init").write_text(INIT)
    (folder / "init").chmod(0o755)
    (folder / "system.ini").write_text("".join(f"key{n} = value {n}\n" for n in range(plugins)))
    for number in range(plugins):
        (folder / "plugins" / f"{number:03}-bench.py").write_text(PLUGIN.format(number))


def rows(bench: Bench) -> list[Row]:
    prefix = Path(os.path.realpath(bench.cache / "bin" / "genpack-init")).parents[1]
    found, memory = [], 0.0
    medians = {}
    with tempfile.TemporaryDirectory(prefix="genpack-bench-") as name:
        for plugins, limit in LIMITS.items():
            folder = Path(name) / str(plugins)
            prepare(folder, plugins)
            boots = [boot(folder, prefix) for _ in range(bench.runs)]
            if any(b["good"] != plugins for b in boots):
                sys.exit(f"bench: not all of {plugins} plugins ran: {boots}")
            left = iter(boots)
            medians[plugins] = bench.median(lambda left=left: next(left)["ms"])  # type: ignore[misc]  # default of a lambda
            memory = max(memory, *(b["mb"] for b in boots))
            found.append(Row(f"boot with {plugins} plugins, to init", medians[plugins], limit, "ms", "CPU of the host"))
    first, last = min(LIMITS), max(LIMITS)
    growth = (medians[last] - medians[first]) / (last - first)
    found.append(Row("each plugin more", growth, GROWTH, "ms"))
    return [*found, Row("plugin host, memory", memory, MEMORY, "MB", "peak")]
