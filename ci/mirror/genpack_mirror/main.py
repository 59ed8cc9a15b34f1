# SPDX-License-Identifier: MIT
"""``ci/mirror/make DIR``: make, or bring up to date, the signed local mirror below DIR."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

from . import portage, publish, suite
from .apt import Apt, StaleLists
from .plan import make_plan, read_plan
from .process import MirrorError, say
from .rootfs import make_rootfs
from .sign import Signer
from .snapshot import make_snapshot
from .stage3 import make_stage3
from .store import Store, digest
from .tables import Tables

HERE = Path(__file__).resolve().parents[1]
REPO = HERE.parents[1]


def code(*modules: str) -> str:
    """The hash of the named modules: a changed script makes its step anew."""
    return digest(*(Path(__file__).with_name(f"{name}.py") for name in modules))


def make(mirror: Path) -> None:
    """Make the mirror below ``mirror``; its intermediate results lie in ``mirror/.build``."""
    apt = Apt(mirror / ".build/apt")
    try:
        _make(mirror, apt)
    except StaleLists as error:
        say(f"refreshing the package lists: {str(error).splitlines()[0]}")
        apt.update()
        _make(mirror, apt)


def _make(mirror: Path, apt: Apt) -> None:
    tables = Tables.load(HERE)
    store = Store(mirror / ".build")
    now = int(time.time())
    texts = digest(*sorted(HERE.glob("*.txt")))

    def plan_step(folder: Path) -> None:
        plan = make_plan(apt, tables)
        (folder / "plan.json").write_text(json.dumps(asdict(plan), indent=1))

    plan_folder = store.get("plan", digest(apt.lists_id(), texts, code("plan", "apt", "names")), plan_step)
    plan = read_plan(json.loads((plan_folder / "plan.json").read_text()))

    rootfs_key = digest("\n".join(plan.seed), code("rootfs", "apt"))
    rootfs = store.get("rootfs", rootfs_key, lambda f: make_rootfs(apt, tables.seed, f / "rootfs.tar"))
    portage_key = digest(code("portage"))
    portage_dir = store.get("portage", portage_key, portage.make_portage)
    naming = digest(HERE / "names.txt", HERE / "drop.txt")
    stage3_key = digest(rootfs_key, portage_key, naming, code("stage3", "vardb", "dpkg", "ownership", "names"))

    def stage3_step(folder: Path) -> None:
        make_stage3(rootfs / "rootfs.tar", portage_dir / "image", tables, plan, folder, now=now)
        (folder / "time").write_text(str(now))

    stage3 = store.get("stage3", stage3_key, stage3_step)

    debs = "\n".join(f"{p.name}={p.version}" for entry in plan.debs for p in entry.debs)
    static = [HERE / name for name in ("tree", "deb", "toy", "debs.txt", "wheels.txt")]
    snapshot_key = digest(stage3_key, debs, *static, code("snapshot", "ebuilds", "plan"))

    def snapshot_step(folder: Path) -> None:
        make_snapshot(HERE, tables, apt, plan.debs, stage3, portage_dir, folder, now=now)

    snapshot = store.get("snapshot", snapshot_key, snapshot_step)

    tools = store.get("suite-tools", digest("\n".join(suite.BUILD_TOOLS)), suite.make_venv)
    suite_key = digest(suite.source_key(REPO), code("suite"))
    python = tools / "venv/bin/python"
    packages = store.get("suite", suite_key, lambda folder: suite.make_suite(REPO, python, folder))

    state = {"stage3": stage3_key, "snapshot": snapshot_key, "suite": suite_key, "code": code("publish", "sign")}
    _publish(mirror, stage3, snapshot, packages, state)


def _publish(mirror: Path, stage3: Path, snapshot: Path, packages: Path, state: dict[str, str]) -> None:
    state_file = mirror / ".build/published.json"
    published = json.loads(state_file.read_text()) if state_file.exists() else {}
    if published == state:
        say("nothing changed")
        return
    if published.get("code") != state["code"]:
        published = {}
    changed = {name for name, key in state.items() if published.get(name) != key}
    state_file.unlink(missing_ok=True)
    signer = Signer(mirror / ".build/gnupg")
    try:
        signer.export(mirror / "keyring.asc")
        if "stage3" in changed:
            publish.publish_stage3(stage3, int((stage3 / "time").read_text()), mirror, signer)
        if "snapshot" in changed:
            publish.publish_snapshot(snapshot, mirror, signer)
        if changed & {"snapshot", "suite"}:
            publish.publish_distfiles([snapshot, packages], mirror)
            publish.publish_overlay(packages, mirror)
    finally:
        signer.close()
    fresh = state_file.with_suffix(".new")
    fresh.write_text(json.dumps(state, indent=1))
    os.replace(fresh, state_file)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt(143)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="ci/mirror/make", description=__doc__)
    parser.add_argument("directory", type=Path, metavar="DIR")
    mirror: Path = parser.parse_args().directory.resolve()
    if os.geteuid() != 0:
        print("mirror: error: root is needed to unpack a root file system with its owners", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, _interrupt)
    started = time.monotonic()
    (mirror / ".build").mkdir(parents=True, exist_ok=True)
    with (mirror / ".build/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            make(mirror)
        except MirrorError as error:
            print(f"mirror: error: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt as interrupt:
            say("interrupted")
            return interrupt.args[0] if interrupt.args else 130
    say(f"{mirror} is ready ({time.monotonic() - started:.1f} s)")
    return 0
