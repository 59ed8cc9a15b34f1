# SPDX-License-Identifier: MIT
"""What is in the hello image and what is not, seen without a boot."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from harness import squashfs
from harness.commands import run
from harness.images import check_metadata, check_nobody_elses
from harness.squashfs import Entry
from harness.toy import Mirror

REPO = Path(__file__).resolve().parents[2]
SIZE_LIMIT = 130_000_000  # bytes


@pytest.fixture(scope="module")
def files(hello_image: Path) -> dict[str, Entry]:
    return squashfs.listing(hello_image)


def matching(files: dict[str, Entry], pattern: str) -> list[str]:
    return [path for path in files if re.search(pattern, path)]


def test_size(hello_image: Path) -> None:
    assert 20_000_000 < hello_image.stat().st_size < SIZE_LIMIT


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("compiler and binutils", r"(^|/)(gcc|cc|g\+\+|c\+\+|cpp|ld|as|make|cc1|collect2|.*-gcc(-\d+)?)$"),
        ("Portage", r"(^|/)(emerge|ebuild|portageq)$|/portage/|^var/db/(pkg|repos)/|^etc/portage"),
        ("headers", r"\.(h|hpp)$|^usr/include/"),
        ("static libraries", r"\.a$"),
        ("manual pages and documentation", r"^usr/share/(man|info|gtk-doc)/.|^usr/share/doc/."),
        ("Python's tests", r"^usr/lib/python3[^/]*/(test|idlelib/idle_test)/"),
        ("package scripts and build scripts", r"^usr/lib/genpack/|^build(\.d)?($|/)"),
        ("programs of the lower layer", r"(^|/)(genpack-copyup|execute-artifact-build-scripts|recursive-touch)$"),
        ("caches", r"^var/cache/.+|^var/tmp/.+|^tmp/.+"),
        ("stray whiteouts", r"(^|/)\.wh\."),
    ],
)
def test_not_in_the_image(files: dict[str, Entry], what: str, pattern: str) -> None:
    found = [p for p in matching(files, pattern) if not files[p].mode.startswith("d")]
    assert found[:20] == [], what


def test_no_device_file_is_a_whiteout(files: dict[str, Entry]) -> None:
    """An overlay whiteout is a character device 0:0; the image's own devices, if any, are below /dev."""
    assert [p for p, e in files.items() if e.mode.startswith(("c", "b")) and not p.startswith("dev/")] == []


def test_machine_id_is_empty(hello_image: Path, files: dict[str, Entry]) -> None:
    assert "etc/machine-id" in files
    assert squashfs.cat(hello_image, "etc/machine-id").strip() in {"", "uninitialized"}


def test_no_password_is_set(hello_image: Path) -> None:
    hashes = [line.split(":")[1] for line in squashfs.cat(hello_image, "etc/shadow").splitlines()]
    assert hashes
    assert all(h in {"*", "!", "!*", "!!"} for h in hashes)


@pytest.mark.parametrize(
    "path",
    [
        "usr/bin/genpack-init",
        "usr/libexec/genpack-shutdown",
        "usr/lib/systemd/systemd",
        "usr/sbin/sshd",
        "usr/bin/python3",
        "usr/lib/systemd/system/hello.service",
        "usr/libexec/hello",
    ],
)
def test_in_the_image(files: dict[str, Entry], path: str) -> None:
    # With a merged /usr some of these are reached through a link to a folder.
    name = path.rsplit("/", 1)[1]
    assert path in files or [p for p in files if p.endswith(f"bin/{name}")], path


def test_setuid_bits_are_kept(files: dict[str, Entry]) -> None:
    setuid = {p.rsplit("/", 1)[1] for p, e in files.items() if e.mode.startswith("-rws") and e.uid == 0}
    assert "su" in setuid or "mount" in setuid, setuid


def test_nothing_is_world_writable_and_no_host_key_is_there(files: dict[str, Entry]) -> None:
    check_nobody_elses(files)


def test_kernel_and_initramfs(hello_image: Path, files: dict[str, Entry]) -> None:
    for name in ("kernel", "initramfs"):
        entry = files[f"boot/{name}"]
        target = f"boot/{entry.target}" if entry.target else entry.path
        assert files[target].mode.startswith("-")


def test_metadata(hello_image: Path) -> None:
    names = check_metadata(hello_image, "hello", "paravirt")
    assert [n for n in names if n.startswith(("genpack/base-", "genpack/paravirt-", "sys-apps/systemd-"))]


def test_the_image_lists_the_keys_of_its_plugins(hello_image: Path, files: dict[str, Entry]) -> None:
    """Those that packages brought and the artifact's own, each with all that a form needs."""
    table = json.loads(squashfs.cat(hello_image, ".genpack/system_ini.json"))
    assert (table["version"], table["problems"]) == (1, [])
    plugins = {path.rsplit("/", 1)[1] for path in matching(files, r"^usr/lib/genpack-init/[^/]+\.py$")}
    assert set(table["plugins"]) == plugins and "95-greeting.py" in plugins
    keys = {(key["section"], key["key"]): key for key in table["keys"]}
    assert {"hostname", "timezone", "ssh_pubkey", "root_password"} <= {key for _, key in keys}
    assert all(key["group"] and key["help"] for key in keys.values())
    assert {key for _, key in keys if keys[_, key]["secret"]} == {"ssh_pubkey", "root_password"}
    sample = json.loads((REPO / "ci/formats/genpack-init/system_ini.json").read_text())
    assert {frozenset(key) for key in keys.values()} == {frozenset(key) for key in sample["keys"]}
    own = keys["_default", "greeting"]
    assert (own["plugin"], own["type"], own["default"], own["group"], own["allowed"]) == (
        "95-greeting.py", "str", "Hello", "Services", "1 to 40 characters",
    )  # fmt: skip
    assert {section for section, key in keys if key == "mtu"} == {"network", "network:*"}


@pytest.mark.full
def test_a_plugin_whose_table_is_none_stops_the_build(
    hello_image: Path, mirror: Mirror, cache: Path, build_cache: Path, tmp_path: Path
) -> None:
    """On hello's own lower layer; the good upper layer is made again."""
    artifact, copy = REPO / "genpack-artifacts" / "hello", tmp_path / "hello"
    shutil.copytree(artifact, copy)
    (copy / "files/usr/lib/genpack-init/96-bad.py").write_text("SYSTEM_INI = [1]\n")
    options = (*mirror.options(), "--work-dir", cache / "work" / "hello", "--output-dir", tmp_path, "upper")
    env = {"XDG_CACHE_HOME": str(build_cache)}
    try:
        result = run("genpack", "-C", copy, *options, timeout=1500, env=env)
        assert result.status == 1, str(result)
        assert "96-bad.py: SYSTEM_INI: a row needs section, key" in result.stderr, str(result)
        assert "Traceback" not in result.stderr
    finally:
        run("genpack", "-C", artifact, *options, timeout=1500, env=env).ok()


def test_genpack_artifacts_lists_what_was_built() -> None:
    listed = json.loads(run("genpack-artifacts", "list", "--json").ok().stdout)
    assert "hello" in [a["name"] for a in listed["artifacts"]]
