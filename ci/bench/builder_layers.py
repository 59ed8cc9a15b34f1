# SPDX-License-Identifier: MIT
"""The layers of hello: closure and copy-up against cp -a of the same files, the lower against the same by hand.

By hand is what a person would do for the same lower layer, with nothing to decide and nothing to wait for: unpack
stage3 and snapshot, put repositories and configuration in place (copies of genpack's: the index of genpack-overlay is
there, the archives are verified), the very emerge of genpack's log in the same container, emerge --depclean,
etc-update. Both end with everything on disk: the container suppresses the syncs of both. What genpack does beyond that
counts against it: keys, checks of the cache of binary packages, the index, its state. The two take turns in going
first, and the ratio is the median of those of the pairs: what else the machine does meets both.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import Bench, Hello, Row, seconds

COPY_UP = re.compile(r"^\s*([\d.]+) s  upper: copy-up$", re.MULTILINE)
COMMAND = re.compile(r"^\$ (systemd-nspawn .* emerge .*@world.*)$", re.MULTILINE)
#: What a person runs after emerge.
AFTERWARDS = (["emerge", "--color=n", "--depclean"], ["etc-update", "--automode", "-5"])


def copy_up(hello: Hello) -> float:
    """Seconds of the step, as genpack tells them: closure, copy-up and writing it all out."""
    shutil.rmtree(hello.work / "upper")
    argv = ["genpack", *hello.options, "upper"]
    env = {**os.environ, **hello.bench.build_env}
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env, check=False)
    found = COPY_UP.search(done.stderr)
    if done.returncode != 0 or found is None:
        sys.exit(f"bench: {shlex.join(argv)}: exit status {done.returncode}\n{done.stderr}")
    return float(found[1])


def copy(hello: Hello) -> float:
    """Seconds of cp -a of what the copy-up brought, and of writing it out."""
    with tempfile.TemporaryDirectory(prefix="genpack-bench-", dir=hello.work) as folder:
        target = str(Path(folder) / "copy")
        script = 'cp -a "$1" "$2" && sync --file-system "$2"'
        return seconds(["sh", "-c", script, "sh", str(hello.work / "upper"), target])


def by_hand(hello: Hello, folder: Path, log: str) -> float:
    """Seconds of what a person would type: unpack both archives, put the same configuration there, run emerge."""
    lower, old = folder / "lower", hello.work / "lower"
    found = COMMAND.search(log)
    if found is None:
        sys.exit("bench: the lower's log has no emerge of @world")
    words = [f"--directory={lower}" if w.startswith("--directory=") else w for w in shlex.split(found[1])]
    mirror = hello.bench.cache / "mirror"
    tools = [[*words[: words.index("--") + 1], *tool] for tool in AFTERWARDS]
    (stage3,) = (mirror / "releases/amd64/autobuilds").glob("*/stage3-*.tar.xz")
    start = time.monotonic()
    tar = ["tar", "--extract", "--use-compress-program=xz -T0", "--xattrs", "--xattrs-include=*", "--numeric-owner"]
    gentoo = lower / "var/db/repos/gentoo"
    lower.mkdir()
    seconds([*tar, f"--file={stage3}", f"--directory={lower}"])
    gentoo.mkdir(parents=True, exist_ok=True)
    snapshot = mirror / "snapshots/gentoo-latest.tar.xz"
    seconds([*tar, f"--file={snapshot}", f"--directory={gentoo}", "--strip-components=1"])
    seconds(["cp", "-a", str(old / "var/db/repos/genpack-overlay"), str(gentoo.parent)])
    for name in ("etc/portage", "var/lib/portage/world_sets"):
        seconds(["cp", "-a", "-T", str(old / name), str(lower / name)])
    for name in ("mnt/host", "mnt/mirror-0", "var/cache/distfiles", "var/cache/binpkgs"):
        (lower / name).mkdir(parents=True, exist_ok=True)
    for command in (words, *tools, ["sync", "--file-system", str(lower)]):
        seconds(command)
    return time.monotonic() - start


def by_genpack(hello: Hello, folder: Path) -> tuple[float, str]:
    """Seconds of genpack lower, and its log."""
    options = list(hello.options)
    options[options.index("--work-dir") + 1] = str(folder / "work")
    took = seconds(["genpack", *options, "lower"], hello.bench.build_env)
    (log,) = (folder / "work/x86_64/logs").glob("lower-*.log")
    return took, log.read_text()


def lower_from_packages(hello: Hello) -> list[tuple[float, float]]:
    """(seconds of genpack lower from binary packages, of the same by hand) of each run; all in fresh folders."""
    top = hello.work.parent.parent
    pairs, log = [], ""
    for turn in range(hello.bench.runs):
        took = {}
        for who in ("genpack", "hand")[:: -1 if turn % 2 else 1]:
            os.sync()
            with tempfile.TemporaryDirectory(prefix="genpack-bench-", dir=top) as name:
                if who == "genpack":
                    took[who], log = by_genpack(hello, Path(name))
                else:
                    took[who] = by_hand(hello, Path(name), log)
        pairs.append((took["genpack"], took["hand"]))
    return pairs


def rows(bench: Bench) -> list[Row]:
    hello = Hello(bench)
    ours, plain = [], []
    for _ in range(bench.runs):
        ours.append(copy_up(hello))
        plain.append(copy(hello))
    up, cp = statistics.median(ours), statistics.median(plain)
    hello.genpack("build")
    pairs = lower_from_packages(hello)
    whole, hand = (statistics.median(side) for side in zip(*pairs, strict=True))
    return [
        Row("closure and copy-up / cp -a", up / cp, 2.0, "x", f"copy-up {up:.1f} s, cp -a {cp:.2f} s"),
        Row(
            "lower from binary packages / by hand",
            statistics.median(genpack / by_hand for genpack, by_hand in pairs),
            1.3,
            "x",
            f"genpack lower {whole:.1f} s, by hand {hand:.1f} s",
        ),
    ]
