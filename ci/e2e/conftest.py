# SPDX-License-Identifier: MIT
"""Fixtures of the end-to-end tests: the mirror, the images, the machines that tests share.

Environment: GENPACK_CI_CACHE is the cache root. For work on the tests themselves, GENPACK_E2E_MIRROR and
GENPACK_E2E_IMAGE name a mirror and a hello image that are there already.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import full
from harness.bed import Bed
from harness.commands import run
from harness.images import LEAN, Builder, define
from harness.installing import Nobody
from harness.machine import Machine, Timing
from harness.toy import Mirror, Workspace, add_toy_profile

REPO = Path(__file__).resolve().parents[2]
TIMING = Timing()


def _interrupt(number: int, _frame: object) -> None:
    raise KeyboardInterrupt(f"signal {number}")


def pytest_configure(config: pytest.Config) -> None:
    """Ended from outside, the tests still take their machines and builds down, as at Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupt)
    config.addinivalue_line("markers", "full: only in `ci/test --full`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Cheap tests first, machines last; within a file the order is the file's."""
    full.select(config, items, cache_root() / "full")
    order = ("test_bad_input", "test_build", "test_hello_image")
    items.sort(key=lambda i: order.index(i.path.stem) if i.path.stem in order else len(order))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The seconds of builds and boots."""
    if TIMING.rows:
        terminalreporter.section("seconds")
        for what, seconds in TIMING.rows:
            terminalreporter.write_line(f"{what:48} {seconds:7.1f}")


@pytest.fixture(scope="session", autouse=True)
def _possible() -> None:
    if os.geteuid() != 0:
        pytest.exit("the end-to-end tests build images: run them as root", returncode=1)
    commands = ("genpack", "vm", "genpack-artifacts", "genpack-init", "genpack-install")
    missing = [name for name in commands if shutil.which(name) is None]
    if missing:
        pytest.exit(f"not on PATH: {', '.join(missing)}; ci/prepare commands installs them", returncode=1)


@pytest.fixture(scope="session")
def timing() -> Timing:
    return TIMING


def cache_root() -> Path:
    """The cache root of ci/."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genpack-ci"
    return Path(os.environ.get("GENPACK_CI_CACHE") or default)


@pytest.fixture(scope="session")
def cache() -> Path:
    return cache_root()


@pytest.fixture(scope="session")
def mirror(cache: Path) -> Mirror:
    """The local mirror with this tree's overlay."""
    folder = Path(os.environ.get("GENPACK_E2E_MIRROR") or cache / "mirror")
    if not (folder / "keyring.asc").is_file():
        pytest.exit(f"no mirror in {folder}; ci/prepare mirror makes it", returncode=1)
    return Mirror(folder, folder / "genpack-overlay", folder / "keyring.asc")


@pytest.fixture(scope="session")
def toy_mirror(mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    """The same mirror; its overlay has the profile `toy` as well."""
    overlay = add_toy_profile(mirror.overlay, tmp_path_factory.mktemp("overlay") / "genpack-overlay")
    return Mirror(mirror.folder, overlay, mirror.keyring)


@pytest.fixture(scope="session")
def build_cache(cache: Path) -> Path:
    """XDG_CACHE_HOME of builds: downloads and binary packages, kept between runs and shared with the demo."""
    folder = cache / "build-cache"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def toy(toy_mirror: Mirror, build_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The toy's workspace, from scratch in each run; tests of test_build.py follow each other in it."""
    base = tmp_path_factory.mktemp("toy")
    yield Workspace(base, toy_mirror, build_cache)
    # A lower layer is 500 MB, and pytest keeps the folders of three runs.
    run("rm", "-rf", base / "work")


@pytest.fixture(scope="session")
def builder(mirror: Mirror, build_cache: Path, timing: Timing) -> Builder:
    return Builder(mirror, build_cache, timing)


@pytest.fixture(scope="session")
def hello_image(builder: Builder, cache: Path) -> Path:
    """genpack-artifacts/hello as the demo builds it, in the demo's place: whichever comes first does the work."""
    ready = os.environ.get("GENPACK_E2E_IMAGE")
    if ready:
        return Path(ready)
    return builder.build(REPO / "genpack-artifacts/hello", "hello", cache / "work/hello", cache / "images")


@pytest.fixture(scope="session")
def systemimg_image(builder: Builder, cache: Path) -> Path:
    """The smallest image of the profile systemimg, packed so that GRUB reads it; genpack-install is in it."""
    artifact = define(cache / "work/systemimg-artifact", "disk", "systemimg", LEAN, compression="gzip")
    return builder.build(artifact, "disk", cache / "work/systemimg", cache / "images")


@pytest.fixture(scope="session")
def host_keys() -> dict[str, str]:
    """Name -> public SSH host key of the machines that were booted from the hello image so far."""
    return {}


@pytest.fixture(scope="session")
def ssh_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key; the public one is beside it as FILE.pub."""
    path = tmp_path_factory.mktemp("ssh") / "id_ed25519"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "genpack-e2e", "-f", path).ok()
    return path


@pytest.fixture(scope="module")
def watched(request: pytest.FixtureRequest) -> Iterator[list[Machine]]:
    """Machines put in this list leave their console log under the cache root if a test of the module failed."""
    before = request.session.testsfailed
    machines: list[Machine] = []
    yield machines
    if request.session.testsfailed > before:
        for machine in machines:
            machine.keep_log()


@pytest.fixture(scope="module")
def bed(
    request: pytest.FixtureRequest,
    hello_image: Path,
    cache: Path,
    timing: Timing,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Bed]:
    before = request.session.testsfailed
    made = Bed(hello_image, tmp_path_factory.mktemp("initramfs"), cache / "logs", timing)
    yield made
    if request.session.testsfailed > before:
        for log in made.folder.glob("*-console.log"):
            made.keep_log(log.name.removesuffix("-console.log"))


@pytest.fixture(scope="module")
def nobody() -> Iterator[Nobody]:
    """Not in pytest's folder, which is root's alone."""
    folder = Path(tempfile.mkdtemp(prefix="genpack-e2e-install-"))
    made = Nobody(folder)
    try:
        made.prepare()
        yield made
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def loaders(nobody: Nobody) -> Path:
    """Made by nobody, too."""
    folder = nobody.out / "loaders"
    nobody.install("build-bootloaders", "--output", folder)
    return folder
