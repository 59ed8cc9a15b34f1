# SPDX-License-Identifier: MIT
"""Every key and folder of a definition with real Portage, shown by what is in the image or in the lower layer.

Two fresh lower layers: one of the definition, one of its variant; everything else is an update of the first. The tests
of this file follow each other.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from harness import squashfs
from harness.allkeys import DEFINITION, FOLDERS, LESS, UNITS
from harness.commands import run
from harness.leftovers import check_nothing_left
from harness.machine import Timing
from harness.toy import PACKAGES, PARENT, Mirror, Workspace


@pytest.fixture(scope="module")
def space(toy_mirror: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace with a cache of its own; its overlay has one more profile."""
    base = tmp_path_factory.mktemp("keys")
    overlay = base / "genpack-overlay"
    shutil.copytree(toy_mirror.overlay, overlay, symlinks=True)
    profile = overlay / "profiles/genpack/amd64/toy-more"
    profile.mkdir()
    for name, text in (("eapi", "8\n"), ("parent", PARENT), ("packages", f"{PACKAGES}app-misc/toy-tool\n")):
        (profile / name).write_text(text)
    yield Workspace(base, replace(toy_mirror, overlay=overlay), base / "cache")
    check_nothing_left(base)
    run("rm", "-rf", base / "work", base / "cache")


@pytest.fixture(scope="module")
def lower(space: Workspace) -> Path:
    return space.work / "x86_64" / "lower"


@pytest.fixture(scope="module")
def image(space: Workspace, timing: Timing) -> Path:
    """The image with everything, of a clean Git repository, packages built one at a time."""
    space.define(**DEFINITION)
    for name, text in FOLDERS.items():
        path = space.artifact / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name, text in UNITS.items():
        space.write(f"usr/lib/systemd/system/{name}", text)
    git(space, "init", "-q")
    git(space, "add", ".")
    git(space, "commit", "-q", "-m", "all keys")
    start = time.monotonic()
    space.genpack("build", env={"GENPACK_PARALLEL": "0"}).ok()
    timing.add("build all keys from nothing", time.monotonic() - start)
    return space.image


def git(space: Workspace, *words: str) -> str:
    who = ("-c", "user.name=toy", "-c", "user.email=toy@invalid")
    return run("git", *who, "-C", space.artifact, *words).ok().stdout.strip()


def said(lower: Path, package: str, name: str) -> str:
    """The content of a file that a toy package installed."""
    return (lower / "usr/share" / package / name).read_text()


def installed(lower: Path, package: str) -> list[str]:
    category, _, name = package.partition("/")
    return sorted(path.name for path in (lower / "var/db/pkg" / category).glob(f"{name}-[0-9]*"))


def cached(space: Workspace, name: str) -> list[str]:
    return [path.name for path in (space.cache / "genpack/binpkgs/x86_64").rglob(f"{name}-[0-9]*.gpkg.tar")]


def build_time(lower: Path, cpv: str) -> str:
    return (lower / "var/db/pkg" / cpv / "BUILD_TIME").read_text().strip()


def table(image: Path, name: str) -> dict[str, list[str]]:
    """passwd, group or shadow by name."""
    rows = (line.split(":") for line in squashfs.cat(image, f"etc/{name}").splitlines())
    return {row[0]: row[1:] for row in rows}


def emerge_log(lower: Path) -> list[tuple[str, str]]:
    """(`emerge (N of M)` or `completed`, package) of each merge, in order."""
    text = (lower / "var/log/emerge.log").read_text()
    pattern = r"^\d+:\s+(?:>>> (emerge \(\d+ of \d+\))|::: (completed) emerge \(.*?\)) (\S+)"
    return [(start or end, package) for start, end, package in re.findall(pattern, text, re.MULTILINE)]


def test_use(image: Path) -> None:
    flags = squashfs.cat(image, "usr/share/toy-use/flags").split()
    assert flags == ["global", "-default", "list", "plus", "-video_cards_nouveau", "video_cards_virgl"]


def test_accept_keywords_and_license(image: Path) -> None:
    assert squashfs.cat(image, "usr/share/toy-testing/version") == "2.0\n"  # null: the testing keyword
    assert squashfs.cat(image, "usr/share/toy-eula/terms") == "accepted\n"


def test_env_patches_and_savedconfig(image: Path) -> None:
    found = {name: squashfs.cat(image, f"usr/share/toy-made/{name}") for name in ("word", "config", "env")}
    assert found == {"word": "as patched\n", "config": "saved\n", "env": "from env/\n"}


def test_kernel(image: Path, lower: Path) -> None:
    """Fragments of all architectures, a same-named file of this one's in place of the whole file, none of another's."""
    config = (lower / "usr/src/linux/.config").read_text()
    assert config == "CONFIG_TOY=y\nCONFIG_A=all\nCONFIG_B=x86_64\n"
    assert sorted(path.name for path in (lower / "etc/kernel/config.d").iterdir()) == ["a.config", "b.config"]


def test_local_overlay(image: Path, lower: Path) -> None:
    """Its source archive is in the mirror's folder: nothing serves it."""
    assert squashfs.cat(image, "usr/share/toy-local/word") == "local\n"
    manifest = (lower / "var/db/repos/genpack-local/app-misc/toy-local/Manifest").read_text()
    assert re.fullmatch(r"DIST toy-1\.0\.tar\.gz \d+ BLAKE2B [0-9a-f]{128} SHA512 [0-9a-f]{128}\n", manifest)


def test_build_time_packages_come_first_and_not_into_the_image(image: Path, lower: Path) -> None:
    assert (lower / "usr/bin/toy-tool").exists()
    assert "usr/bin/toy-tool" not in squashfs.listing(image)
    log = emerge_log(lower)
    first = log.index(("emerge (1 of 1)", "app-misc/toy-tool-1.0"))  # a pass of its own
    assert first < min(index for index, (_, package) in enumerate(log) if package.startswith("app-misc/toy-use"))


def test_one_package_at_a_time(image: Path, lower: Path) -> None:
    log = emerge_log(lower)
    assert [what == "completed" for what, _ in log] == [False, True] * (len(log) // 2)
    assert [package for _, package in log[::2]] == [package for _, package in log[1::2]]


def test_circular_dependencies_are_broken(image: Path) -> None:
    """The egg was there first, without a hen, as circulardep_breaker says; tiff and libwebp are known."""
    assert squashfs.cat(image, "usr/share/toy-hen/from") == "nothing\n"
    assert squashfs.cat(image, "usr/share/tiff/flags") == "webp\n"
    assert squashfs.cat(image, "usr/share/libwebp/flags") == "tiff\n"


def test_the_egg_ends_with_what_the_definition_says(image: Path, lower: Path) -> None:
    assert said(lower, "toy-egg", "from") == "a hen\n"


def test_binpkg_excludes_are_not_put_into_the_cache(image: Path, space: Workspace) -> None:
    assert cached(space, "toy-use")
    assert not cached(space, "toy-testing")
    # Nor is what was built with something of the artifact's folders.
    assert not [name for package in ("toy-made", "toy-local", "toy-kernel") for name in cached(space, package)]


def test_users_and_groups(image: Path) -> None:
    passwd, group, shadow = (table(image, name) for name in ("passwd", "group", "shadow"))
    assert passwd["full"][1:] == ["4711", "4712", "All of it", "/srv/full", "/bin/sh"]
    assert group["numbered"][1] == "4712"
    members = {name: set(fields[2].split(",")) - {""} for name, fields in group.items()}
    assert members["named"] == {"full", "homeless"}
    assert members["audio"] == {"full"}
    assert shadow["full"][0] == ""
    assert shadow["plain"][0].startswith("!")
    files = squashfs.listing(image)
    assert (files["srv/full"].uid, files["srv/full"].gid) == (4711, 4712)
    assert files["home/plain"].uid == int(passwd["plain"][1])
    assert "home/homeless" not in files


def test_services(image: Path) -> None:
    files = squashfs.listing(image)
    unit = "/lib/systemd/system/"
    found = {
        path.removeprefix("etc/systemd/system/"): entry.target.partition(unit)[2]
        for path, entry in files.items()
        if path.startswith("etc/systemd/system/") and "toy" in path and entry.target
    }
    assert found == {
        "multi-user.target.wants/toy@one.service": "toy@.service",
        "multi-user.target.wants/toy@two.service": "toy@.service",
        "multi-user.target.wants/toy-plain.service": "toy-plain.service",
        "timers.target.wants/toy-tick.timer": "toy-tick.timer",
        "sockets.target.wants/toy-door.socket": "toy-door.socket",
    }


def test_setup_commands_of_the_architecture_too(image: Path) -> None:
    assert squashfs.cat(image, "etc/order").split() == ["first", "second", "arch"]


def test_commit_id(image: Path, space: Workspace) -> None:
    assert squashfs.cat(image, ".genpack/commit-id").strip() == git(space, "rev-parse", "HEAD")


def test_kernel_modules(image: Path, lower: Path) -> None:
    assert (lower / "lib/modules/1.0-toy/extra/toy.ko").read_text() == "for 1.0-toy\n"


@pytest.fixture(scope="module")
def big(image: Path, space: Workspace, timing: Timing) -> Path:
    """The variant's image: a lower layer of its own."""
    start = time.monotonic()
    result = space.genpack("build", "--variant", "big").ok()
    timing.add("build the variant from nothing", time.monotonic() - start)
    assert result.stdout == f"{space.images}/toy-of-a-variant.big.x86_64\n"
    return Path(result.stdout.strip())


def test_a_variant_and_its_architecture(big: Path) -> None:
    assert squashfs.cat(big, ".genpack/artifact").strip() == "toy-of-a-variant"
    assert squashfs.cat(big, ".genpack/variant").strip() == "big"
    assert squashfs.cat(big, ".genpack/profile").strip() == "toy-more"
    assert squashfs.cat(big, "etc/order").splitlines() == ["first", "second", "arch", "variant", "its arch"]
    files = squashfs.listing(big)
    assert "usr/bin/toy-tool" in files  # the profile's own package
    assert not {"usr/share/toy-hen/from", "usr/share/tiff/flags"} & set(files)
    assert {"usr/include/toy.h", "usr/share/man/man1/toy.1"} <= {re.sub(r"\.1\.\w+$", ".1", path) for path in files}
    assert "etc/systemd/system/multi-user.target.wants/toy-big.service" in files
    passwd = table(big, "passwd")
    assert passwd["full"][-1] == "/bin/bash"
    assert passwd["full"][1] != "4711"  # the user of the same name is replaced
    assert "variant" in passwd
    assert table(big, "group")["numbered"][1] == "4713"
    assert "Compression xz" in run("unsquashfs", "-s", big).ok().stdout


def test_other_shapes_of_keywords_and_licenses(big: Path) -> None:
    assert squashfs.cat(big, "usr/share/toy-testing/version") == "3.0\n"  # "**"
    assert squashfs.cat(big, "usr/share/toy-eula/terms") == "accepted\n"  # a list, a group


def test_binpkg_excludes_are_not_taken_from_the_cache(big: Path, space: Workspace, lower: Path) -> None:
    other = space.work / "x86_64" / "big" / "lower"
    assert build_time(other, "app-misc/toy-1.0") == build_time(lower, "app-misc/toy-1.0")
    assert build_time(other, "app-misc/toy-use-1.0") != build_time(lower, "app-misc/toy-use-1.0")


def test_the_base_is_untouched_by_the_variant(big: Path, image: Path, space: Workspace) -> None:
    run("rm", "-rf", space.work / "x86_64" / "big")
    result = space.genpack("build", "--arch", "x86_64").ok()
    assert "lower: skipped" in result.stderr
    assert squashfs.cat(image, ".genpack/artifact").strip() == "toy"


def test_a_licence_that_is_taken_back(big: Path, space: Workspace, lower: Path) -> None:
    """Portage keeps the package; a fresh lower layer would not have it. The update itself is done, etc-update too."""
    for name, text in (("toy.conf", "old"), ("._cfg0000_toy.conf", "new")):
        (lower / "etc" / name).write_text(text)
    space.define(**{**DEFINITION, "license": {}})
    result = space.genpack("lower", "--arch", "x86_64")
    assert result.status == 1, str(result)
    (line,) = result.error_lines("genpack")
    assert line.endswith(": app-misc/toy-eula-1.0 (demo-eula)")
    assert """tip: accept it with the key license ({ "app-misc/toy-eula": "demo-eula" }), or""" in result.stderr
    assert installed(lower, "app-misc/toy-eula") == ["toy-eula-1.0"]
    assert (lower / "etc/toy.conf").read_text() == "new"
    assert list((lower / "etc").glob("._cfg*")) == []


@pytest.fixture(scope="module")
def less(big: Path, space: Workspace, timing: Timing) -> Path:
    """An update that takes keys and folders back. The patch's removal is not committed."""
    space.define(**LESS, include_commit_id=True)
    for name in ("env", "patches", "savedconfig", "kernel", "overlay"):
        shutil.rmtree(space.artifact / name)
    start = time.monotonic()
    space.genpack("build").ok()
    timing.add("take all keys back", time.monotonic() - start)
    return space.image


def test_what_is_dropped_has_no_effect_any_more(less: Path, lower: Path) -> None:
    assert squashfs.cat(less, "usr/share/toy-use/flags").split() == [
        *("-global", "default", "-list", "-plus", "-video_cards_nouveau", "-video_cards_virgl")
    ]
    assert squashfs.cat(less, "usr/share/toy-testing/version") == "1.0\n"
    found = {name: squashfs.cat(less, f"usr/share/toy-made/{name}") for name in ("word", "config", "env")}
    assert found == {"word": "as released\n", "config": "the default\n", "env": "none\n"}
    assert (lower / "usr/src/linux/.config").read_text() == "CONFIG_TOY=y\n"
    for package in ("toy-local", "toy-eula", "toy-hen", "toy-egg"):
        assert installed(lower, f"app-misc/{package}") == [], package
    for name in ("env", "patches", "package.use/genpack", "package.license/genpack", "package.env/genpack"):
        assert not (lower / "etc/portage" / name).exists(), name
    assert not (lower / "etc/kernel/config.d").exists()
    assert not (lower / "etc/portage/repos.conf/genpack-local.conf").exists()
    assert not (lower / "var/db/repos/genpack-local").exists()
    files = squashfs.listing(less)
    assert not [path for path in files if path.startswith(("etc/systemd/system/", "etc/order", "srv/full"))]
    assert not {"etc/passwd", "etc/group"} & set(files)  # nothing of the toy needs an account


def test_commit_id_of_a_changed_artifact(less: Path, space: Workspace) -> None:
    assert squashfs.cat(less, ".genpack/commit-id").strip() == git(space, "rev-parse", "HEAD") + "-dirty"


def test_accept_keywords_as_a_list_and_modules_for_the_new_kernel(less: Path, lower: Path) -> None:
    assert installed(lower, "sys-kernel/toy-kernel") == ["toy-kernel-2.0"]
    assert (lower / "lib/modules/2.0-toy/extra/toy.ko").read_text() == "for 2.0-toy\n"


def test_portage_refuses_the_circles(less: Path, space: Workspace) -> None:
    """Without what genpack does about them; nothing of them is installed now."""
    for words in (("app-misc/toy-hen",), ("media-libs/tiff",)):
        options = ("emerge", "--pretend", "--usepkg=n", *words)
        result = space.genpack("bash", "env", "USE=hen webp tiff", *options)
        assert result.status == 1
        assert "Error: circular dependencies:" in result.output


def test_masked_packages_are_unmerged_and_deep_depclean(less: Path, space: Workspace, lower: Path) -> None:
    """toy-use is built with toy-mill, toy-made with toy-tool: depclean keeps both."""
    assert installed(lower, "app-misc/toy-mill") == ["toy-mill-1.0"]
    assert installed(lower, "app-misc/toy-tool") == ["toy-tool-1.0"]
    space.genpack("lower", "--deep-depclean").ok()
    assert installed(lower, "app-misc/toy-tool") == []
    assert "lower: skipped" in space.genpack("lower", "--deep-depclean").ok().stderr
    space.define(**LESS, buildtime_packages=["app-misc/toy-mill", "app-misc/toy-tool"])
    space.genpack("lower").ok()
    assert installed(lower, "app-misc/toy-mill") == ["toy-mill-1.0"]
    space.define(**LESS, mask=["app-misc/toy-mill", ">=app-misc/toy-tool-2"])
    space.genpack("lower").ok()
    assert installed(lower, "app-misc/toy-mill") == []
    space.define(**LESS)
    space.genpack("lower").ok()
    assert not (lower / "etc/portage/package.mask/genpack").exists()


def test_break_circular_deps_in_an_existing_lower_layer(less: Path, space: Workspace, lower: Path) -> None:
    circle = {"media-libs/tiff": "webp", "media-libs/libwebp": "tiff"}
    space.define(**{**LESS, "packages": [*LESS["packages"], *circle]}, use=circle, binpkg_excludes=list(circle))
    refused = space.genpack("lower")
    assert refused.status == 1
    assert "circular dependencies" in refused.stderr
    assert "tip: try --break-circular-deps" in refused.stderr
    space.genpack("lower", "--break-circular-deps").ok()
    assert (said(lower, "tiff", "flags"), said(lower, "libwebp", "flags")) == ("webp\n", "tiff\n")
