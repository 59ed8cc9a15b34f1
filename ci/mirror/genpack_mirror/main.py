# SPDX-License-Identifier: MIT
"""``ci/mirror/make DIR``: make, or bring up to date, the signed local mirror below DIR."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import sys
import time
from pathlib import Path

from . import portage, publish, suite
from .apt import Apt
from .dpkg import parse_status
from .ebuilds import DebEbuild, plan_debs
from .names import gentoo_name
from .process import MirrorError, run, say
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
    tables = Tables.load(HERE)
    store = Store(mirror / ".build")
    now = int(time.time())
    apt = Apt(mirror / ".build/apt")
    resolved = apt.with_fresh_lists(lambda: apt.resolve(tables.seed))

    rootfs_key = digest("\n".join(resolved), code("rootfs", "apt"))
    rootfs = store.get("rootfs", rootfs_key, lambda f: make_rootfs(apt, tables.seed, f / "rootfs.tar"))
    portage_key = digest(code("portage"))
    portage_dir = store.get("portage", portage_key, portage.make_portage)
    names = digest(HERE / "names.txt", HERE / "drop.txt")
    stage3_key = digest(rootfs_key, portage_key, names, code("stage3", "vardb", "dpkg", "ownership", "names"))

    def stage3_step(folder: Path) -> None:
        make_stage3(rootfs / "rootfs.tar", portage_dir / "image", tables, folder, now=now)
        _write_seeded(folder, rootfs, tables)
        (folder / "time").write_text(str(now))

    stage3 = store.get("stage3", stage3_key, stage3_step)
    seeded = json.loads((stage3 / "seeded.json").read_text())

    planned: list[DebEbuild] = plan_debs(apt, tables, seeded)
    debs = "\n".join(f"{p.name}={p.version}" for entry in planned for p in entry.debs)
    static = [HERE / name for name in ("tree", "deb", "toy", "debs.txt", "wheels.txt")]
    snapshot_key = digest(stage3_key, debs, *static, code("snapshot", "ebuilds"))

    def snapshot_step(folder: Path) -> None:
        make_snapshot(HERE, tables, apt, planned, stage3, portage_dir, folder, now=now)

    snapshot = store.get("snapshot", snapshot_key, lambda folder: apt.with_fresh_lists(lambda: snapshot_step(folder)))

    tools = store.get("suite-tools", digest("\n".join(suite.BUILD_TOOLS)), suite.make_venv)
    suite_key = digest(suite.source_key(REPO), code("suite"))
    python = tools / "venv/bin/python"
    packages = store.get("suite", suite_key, lambda folder: suite.make_suite(REPO, python, folder))

    state = {"stage3": stage3_key, "snapshot": snapshot_key, "suite": suite_key, "code": code("publish", "sign")}
    _publish(mirror, stage3, snapshot, packages, state)


def _write_seeded(folder: Path, rootfs: Path, tables: Tables) -> None:
    """Which Debian packages the stage3 holds, under which names: dependencies on them become those names."""
    output = run(["tar", "-xOf", rootfs / "rootfs.tar", "./var/lib/dpkg/status"])
    names = {deb: gentoo_name(deb, tables.names) for deb in parse_status(output)}
    (folder / "seeded.json").write_text(json.dumps(names, indent=1, sort_keys=True))


def _publish(mirror: Path, stage3: Path, snapshot: Path, packages: Path, state: dict[str, str]) -> None:
    state_file = mirror / ".build/published.json"
    published = json.loads(state_file.read_text()) if state_file.exists() else {}
    if published == state:
        say("nothing changed")
        return
    state_file.unlink(missing_ok=True)
    signer = Signer(mirror / ".build/gnupg")
    try:
        signer.export(mirror / "keyring.asc")
        if published.get("stage3") != state["stage3"] or published.get("code") != state["code"]:
            publish.publish_stage3(stage3, int((stage3 / "time").read_text()), mirror, signer)
        if published.get("snapshot") != state["snapshot"] or published.get("code") != state["code"]:
            publish.publish_snapshot(snapshot, mirror, signer)
        publish.publish_distfiles([snapshot, packages], mirror)
        publish.publish_overlay(packages, mirror)
    finally:
        signer.close()
    fresh = state_file.with_suffix(".new")
    fresh.write_text(json.dumps(state, indent=1))
    os.replace(fresh, state_file)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="ci/mirror/make", description=__doc__)
    parser.add_argument("directory", type=Path, metavar="DIR")
    mirror: Path = parser.parse_args().directory.resolve()
    if os.geteuid() != 0:
        print("mirror: error: root is needed to unpack a root file system with its owners", file=sys.stderr)
        return 1
    started = time.monotonic()
    (mirror / ".build").mkdir(parents=True, exist_ok=True)
    with (mirror / ".build/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            make(mirror)
        except MirrorError as error:
            print(f"mirror: error: {error}", file=sys.stderr)
            return 1
    say(f"{mirror} is ready ({time.monotonic() - started:.1f} s)")
    return 0
