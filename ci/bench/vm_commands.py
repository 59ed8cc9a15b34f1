# SPDX-License-Identifier: MIT
"""Commands of `vm`: the start, a list of many VMs of which one hangs, a command in a guest.

The VMs are stand-ins that answer at once as QEMU and its guest agent do, so that only `vm` is measured. They are run
directories with sockets, made by the installed package itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common import Bench, Row, seconds

MANY = 50

#: Makes the run directories, serves them, and says "ready". The VM `vm00` never answers on its control socket.
CROWD = r"""
import asyncio, json, os, sys
from pathlib import Path
from genpack_vm import info, rundir

def decoded(data):
    decoder, text = json.JSONDecoder(), data.decode(errors="ignore")
    while text:
        try:
            found, end = decoder.raw_decode(text)
        except ValueError:
            return
        yield found
        text = text[end:].lstrip()

async def qmp(reader, writer):
    greeting = {"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}
    writer.write(json.dumps(greeting).encode() + b"\n")
    while data := await reader.read(65536):
        for request in decoded(data):
            answer = {"status": "running", "running": True} if request["execute"] == "query-status" else {}
            reply = {"return": answer} | ({"id": request["id"]} if "id" in request else {})
            writer.write(json.dumps(reply).encode() + b"\n")
    writer.close()

async def agent(reader, writer):
    while data := await reader.read(65536):
        for request in decoded(data.replace(b"\xff", b"")):
            what, arguments = request["execute"], request["arguments"]
            answer = {"pid": 1} if what == "guest-exec" else {"exited": True, "exitcode": 0}
            mark = b"\xff" if what == "guest-sync-delimited" else b""
            answer = arguments["id"] if mark else answer
            writer.write(mark + json.dumps({"return": answer}).encode() + b"\n")
    writer.close()

async def main(top, count):
    pid, ticks = os.getpid(), info.start_ticks(os.getpid())
    servers, claims = [], []
    for number in range(count):
        name = f"vm{number:02}"
        claim = rundir.claim(top, name)
        claims.append(claim)
        files = claim.files
        serve = (lambda reader, writer: asyncio.sleep(3600)) if number == 0 else qmp
        servers.append(await asyncio.start_unix_server(serve, files.qmp))
        servers.append(await asyncio.start_unix_server(agent, files.qga))
        info.write_json(files.info, info.VmInfo(
            name=name, pid=pid, start_ticks=ticks, owner_pid=pid, owner_ticks=ticks,
            started="2026-01-01T00:00:00+00:00", image="/x.squashfs", arch="x86_64", accel="tcg", memory=64, cpus=1,
            mac="52:54:00:00:00:00", cid=None, detached=True, data_file=None, console_log=None, ports=(), sockets={},
        ).to_json())
    print("ready", flush=True)
    await asyncio.sleep(3600)

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


@contextmanager
def crowd(bench: Bench, count: int) -> Iterator[dict[str, str]]:
    """So many VMs; the environment in which `vm` sees them."""
    with tempfile.TemporaryDirectory(prefix="vm-bench-") as folder:
        python = bench.cache / "venv" / "package-vm" / "bin" / "python"
        argv = [str(python), "-c", CROWD, folder, str(count)]
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as child:
            try:
                assert child.stdout is not None
                if child.stdout.readline() != "ready\n":
                    sys.exit("bench: the stand-ins for VMs did not start")
                yield {"VM_RUN_ROOT": folder}
            finally:
                child.kill()


def rows(bench: Bench) -> list[Row]:
    nothing = {"VM_RUN_ROOT": f"/tmp/vm-bench-none-{os.getpid()}"}
    found = [
        Row("vm --help", 1000 * bench.median(lambda: seconds(["vm", "--help"], nothing)), 150, "ms"),
        Row("vm list, no VM", 1000 * bench.median(lambda: seconds(["vm", "list"], nothing)), 200, "ms"),
    ]
    with crowd(bench, 2) as env:
        Path(env["VM_RUN_ROOT"], "vm00", "vm.json").unlink()  # it is only starting: one VM is asked
        found.append(Row("vm list, one VM", 1000 * bench.median(lambda: seconds(["vm", "list"], env)), 200, "ms"))
        took = bench.median(lambda: seconds(["vm", "exec", "vm01", "true"], env))
        found.append(Row("vm exec NAME true", 1000 * took, 60, "ms", "the agent answers at once"))
    with crowd(bench, MANY) as env:
        took = bench.median(lambda: seconds(["vm", "list", "--format", "json"], env))
        found.append(Row(f"vm list, {MANY} VMs, one hangs", 1000 * took, 500, "ms"))
    return found
