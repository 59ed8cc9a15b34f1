# SPDX-License-Identifier: MIT
"""`vm test` of the hello image: one boot, with a disk that grows while the script waits for it."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree

from harness.commands import run
from harness.console import INTERVAL, Console
from harness.machine import BOOT_LIMIT, Timing

#: 192 MiB are 393216 sectors; the kernel shows the new size once QEMU has told it.
SCRIPT = """\
#!/bin/bash
set -eu
echo "size $(cat /sys/block/vdb/size)" > /dev/console
for try in {1..600}; do
    [ "$(cat /sys/block/vdb/size)" = 393216 ] && break
    sleep 0.5
done
echo "size $(cat /sys/block/vdb/size) as $(id -un)"
printf '\\xff\\x00\\n' >&2
exit 7
"""


def test_script_and_a_disk_that_grows(hello_image: Path, cache: Path, timing: Timing, tmp_path: Path) -> None:
    """Boot, script, power-down and console in one command; the script's status is the command's."""
    env = {"VM_RUN_ROOT": f"/tmp/vm-test-{tmp_path.name}", "HOME": str(tmp_path), "SSH_AUTH_SOCK": ""}
    script, disk, junit, log = (tmp_path / name for name in ("check.sh", "disk.img", "junit.xml", "console.log"))
    script.write_text(SCRIPT)
    run("vm", "allocate", disk, "--mkfs", "btrfs", "0.125").ok()
    words = ["vm", "test", "--name", "e2e-test", "-m", "1024", "-c", "2", "--timeout", str(2 * BOOT_LIMIT)]
    words += ["--junit", str(junit), "--console-log", str(log), "--data-file", str(disk), "--script", str(script)]
    with subprocess.Popen(
        [*words, str(hello_image)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **env},
    ) as child:
        try:
            console, end = Console(log), time.monotonic() + 2 * BOOT_LIMIT
            while not console.lines("size 262144"):
                assert child.poll() is None and time.monotonic() < end, child.communicate()
                time.sleep(INTERVAL)
            run("vm", "allocate", disk, "0.1875").ok()
            grown = run("vm", "expand", "e2e-test", env=env).ok()
            assert grown.stdout == "data: 128 MiB, now 192 MiB\n"
            out, err = child.communicate(timeout=2 * BOOT_LIMIT)
        finally:
            child.kill()
    assert (child.returncode, out) == (7, b"size 393216 as root\n"), err
    assert b"\xff\x00\n" in err
    cases = {case.get("name"): case for case in ElementTree.parse(junit).getroot()}
    assert list(cases) == ["boot", "script check.sh", "power-down", "console"]
    failures = {
        name: failure.get("message") for name, case in cases.items() if (failure := case.find("failure")) is not None
    }
    assert failures == {"script check.sh": "exit status 7"}
    assert "reboot: Power down" in (cases["console"].findtext("system-out") or "")
    for name in ("boot", "script check.sh", "power-down"):
        timing.add(f"vm test {name}", float(cases[name].get("time") or 0))
    assert run("vm", "list", "-q", env=env).ok().stdout == ""
