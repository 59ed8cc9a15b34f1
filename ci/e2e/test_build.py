# SPDX-License-Identifier: MIT
"""Real builds of the toy: Portage in a container, the copy-up, the image. The tests of this file follow each other."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from harness import squashfs
from harness.commands import Result, interrupt_group
from harness.leftovers import check_nothing_left, commands_running
from harness.machine import Timing
from harness.toy import Workspace, wait_until

#: Left out of every image but a development one; in the toy package.
DEVELOPMENT = r"usr/include/toy\.h|usr/lib\w*/libtoy\.a|usr/share/man/man1/toy\.1(\.\w+)?"
CAPABILITY = "security.capability"
#: What a build leaves in the output folder; anything else is a half file.
FINAL_NAMES = {"toy-x86_64.squashfs", "toy-x86_64.manifest.json", "toy-x86_64.spdx.json", "SHA256SUMS"}


@pytest.fixture(autouse=True)
def _nothing_left(toy: Workspace) -> Iterator[None]:
    """Whatever a test did, no mount, loop device or process of it is left, and no half image."""
    yield
    check_nothing_left(toy.base)
    if toy.images.is_dir():
        assert {p.name for p in toy.images.iterdir()} <= FINAL_NAMES


@pytest.fixture(scope="module")
def first(toy: Workspace, timing: Timing) -> Result:
    """The first build, from nothing."""
    toy.define()
    start = time.monotonic()
    result = toy.genpack("build").ok()
    timing.add("build toy from nothing", time.monotonic() - start)
    return result


def failure(result: Result) -> str:
    """The one error line of a build that failed as it should."""
    assert result.status == 1, str(result)
    assert len(result.error_lines("genpack")) == 1, str(result)
    assert "Traceback" not in result.stderr, str(result)
    return result.stderr


def test_build(first: Result, toy: Workspace) -> None:
    files = squashfs.listing(toy.image)
    assert {"usr/bin/toy", "usr/bin/toy-cap"} <= set(files)
    assert [p for p in files if re.fullmatch(DEVELOPMENT, p)] == []
    # The C compiler made them in the lower layer; it is not in the image.
    assert list((toy.work / "x86_64" / "lower" / "usr" / "bin").glob("*gcc*"))
    assert [p for p in files if re.search(r"(^|/)(gcc|cc1|make|emerge)$|^usr/include/|^var/db/pkg", p)] == []
    assert squashfs.cat(toy.image, ".genpack/artifact").strip() == "toy"
    names = re.findall(r"^(\S+)\[", squashfs.cat(toy.image, ".genpack/packages"), re.MULTILINE)
    assert "app-misc/toy-1.0" in names
    assert ".genpack/system_ini.json" not in files  # nothing reads system.ini in an image without genpack-init


def test_setuid_bit_and_capability_are_kept(first: Result, toy: Workspace, tmp_path: Path) -> None:
    entry = squashfs.listing(toy.image)["usr/bin/toy"]
    assert (entry.mode, entry.uid, entry.gid) == ("-rwsr-xr-x", 0, 0)
    out = squashfs.extract(toy.image, tmp_path / "out", "usr/bin/toy-cap", "usr/bin/toy")
    assert (out / "usr/bin/toy").stat().st_mode & 0o7777 == 0o4755
    value = os.getxattr(out / "usr/bin/toy-cap", CAPABILITY)
    # struct vfs_cap_data, revision 2 or 3: magic with the effective bit, then permitted and inheritable (low words).
    magic, permitted, inheritable = (int.from_bytes(value[i : i + 4], "little") for i in (0, 4, 8))
    cap_net_raw = 13  # linux/capability.h
    assert (magic & 1, permitted, inheritable) == (1, 1 << cap_net_raw, 0)
    others = [a for p in (out / "usr/bin/toy-cap", out / "usr/bin/toy") for a in os.listxattr(p) if a != CAPABILITY]
    assert others == []


def test_nothing_changed_is_skipped(first: Result, toy: Workspace, timing: Timing) -> None:
    before = toy.image.stat()
    start = time.monotonic()
    result = toy.genpack("build").ok()
    timing.add("build toy, nothing changed", time.monotonic() - start)
    assert toy.image.stat() == before
    for phase in ("lower", "upper", "pack"):
        assert f"{phase}: skipped, nothing it depends on changed" in result.stderr, str(result)


def emerged(toy: Workspace) -> list[str]:
    """Every package that Portage has merged so far, by its own log."""
    log = (toy.work / "x86_64/lower/var/log/emerge.log").read_text()
    return re.findall(r"::: completed emerge \(\d+ of \d+\) (\S+) to ", log)


def test_only_files_changed_runs_no_portage(first: Result, toy: Workspace) -> None:
    log, before = toy.work / "x86_64/lower/var/log/emerge.log", emerged(toy)
    untouched = log.stat().st_mtime_ns
    path = toy.write("etc/only-this", "changed\n")
    result = toy.genpack("build").ok()
    assert "lower: skipped, nothing it depends on changed" in result.stderr, str(result)
    assert squashfs.cat(toy.image, "etc/only-this") == "changed\n"
    assert (emerged(toy), log.stat().st_mtime_ns) == (before, untouched)
    path.unlink()


def test_one_package_more_rebuilds_no_other(first: Result, toy: Workspace) -> None:
    before = emerged(toy)
    toy.define(packages=["app-misc/toy", "app-misc/toy-tool"])
    toy.genpack("build").ok()
    assert emerged(toy)[len(before) :] == ["app-misc/toy-tool-1.0"]
    toy.define()


def test_downloads_of_scripts_are_kept(first: Result, toy: Workspace, tmp_path: Path) -> None:
    """A build script fetches through `download`; when the next build runs it again, the server is not asked."""
    (tmp_path / "data").write_bytes(b"fetched once\n")
    checksum = hashlib.sha256(b"fetched once\n").hexdigest()
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/data"
        fetch = f"#!/bin/sh\nset -e\ndownload --sha256={checksum} {url} > /etc/fetched\n"
        script = toy.write("build.d/20-fetch", fetch, mode=0o755)
        toy.genpack("build").ok()
        assert asked == ["/data"]
        script.write_text(f"{fetch}# again\n")
        toy.genpack("build").ok()
        assert asked == ["/data"]
        server.shutdown()
    assert squashfs.cat(toy.image, "etc/fetched") == "fetched once\n"
    script.unlink()


def test_failed_build_script(first: Result, toy: Workspace) -> None:
    image = toy.image.read_bytes()
    toy.write("build.d/10-good", "#!/bin/sh\necho fine > /etc/toy-built\n", mode=0o755)
    bad = toy.write("build.d/50-bad", "#!/bin/sh\necho the reason is this >&2\nexit 3\n", mode=0o755)
    said = failure(toy.genpack("build"))
    assert "50-bad" in said
    assert re.search(r"\b(status|code) 3\b", said)
    assert "the reason is this" in said
    assert list((toy.work / "x86_64" / "logs").glob("upper-*.log"))
    assert re.search(r"/logs/upper-\S+\.log", said)
    assert toy.image.read_bytes() == image
    bad.unlink()
    toy.genpack("build").ok()
    assert squashfs.cat(toy.image, "etc/toy-built") == "fine\n"
    assert [p for p in squashfs.listing(toy.image) if p.startswith("build")] == []


def test_emerge_failure(first: Result, toy: Workspace) -> None:
    image = toy.image.read_bytes()
    toy.define(packages=["app-misc/toy", "app-misc/toy-broken"])
    said = failure(toy.genpack("build"))
    # What the compiler said, the package, and where all of it is.
    assert "app-misc/toy-broken" in said
    assert "this source is broken on purpose" in said
    assert re.search(r"/logs/lower-\S+\.log", said)
    log = re.search(r"(\S+/logs/lower-\S+\.log)", said)
    assert log
    assert "this source is broken on purpose" in Path(log[1].rstrip(".,;:)")).read_text(errors="replace")
    assert toy.image.read_bytes() == image
    toy.define()
    toy.genpack("build").ok()


def test_devel_keeps_headers_man_pages_and_static_libraries(first: Result, toy: Workspace) -> None:
    toy.genpack("build", "--devel").ok()
    found = [p for p in squashfs.listing(toy.image) if re.fullmatch(DEVELOPMENT, p)]
    assert len(found) == 3, found
    toy.genpack("build").ok()
    assert [p for p in squashfs.listing(toy.image) if re.fullmatch(DEVELOPMENT, p)] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_interrupted_in_the_middle(first: Result, toy: Workspace, number: signal.Signals) -> None:
    image = toy.image.read_bytes()
    marker = f"sleep {9000 + number}"
    script = toy.write("build.d/90-wait", f"#!/bin/sh\nexec {marker}\n", mode=0o755)
    process = toy.start("build")
    try:
        wait_until(lambda: commands_running(marker) or process.poll() is not None, "the build script runs", 120)
        assert process.poll() is None, process.communicate()
        if number == signal.SIGINT:
            interrupt_group(process, number, grace=60)  # a terminal sends it to the whole group
        else:
            process.terminate()
            process.wait(60)
    finally:
        interrupt_group(process, signal.SIGKILL)
    stderr = process.communicate()[1]
    assert process.returncode == 128 + number, stderr
    assert "Traceback" not in stderr
    assert commands_running(marker) == []
    check_nothing_left(toy.base)
    assert toy.image.read_bytes() == image
    # The work folder is usable.
    script.unlink()
    toy.genpack("build").ok()


def test_second_build_of_the_same_waits_or_says_who_holds_it(first: Result, toy: Workspace) -> None:
    marker = "sleep 9100"
    script = toy.write("build.d/90-wait", f"#!/bin/sh\nexec {marker}\n", mode=0o755)
    process = toy.start("build")
    try:
        wait_until(lambda: commands_running(marker) or process.poll() is not None, "the build script runs", 120)
        result = toy.genpack("build")
        said = failure(result)
        assert str(process.pid) in said, said
    finally:
        interrupt_group(process, signal.SIGINT, grace=60)
        process.communicate()
        script.unlink()


def test_state_is_versioned_json(first: Result, toy: Workspace) -> None:
    assert json.loads((toy.work / "x86_64" / "state.json").read_text())["version"] == 1
