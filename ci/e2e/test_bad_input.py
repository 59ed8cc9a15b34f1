# SPDX-License-Identifier: MIT
"""What a user gets wrong: one clear line, exit status not 0, nothing left mounted or running, no half file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.commands import Argument, Result, path_without, run
from harness.leftovers import check_nothing_left
from harness.toy import Mirror, Workspace

NAMESPACE = ("unshare", "--user", "--map-user=65534", "--map-group=65534")
AUTOBUILDS = Path("releases") / "amd64" / "autobuilds"


@pytest.fixture
def space(toy_mirror: Mirror, tmp_path: Path) -> Iterator[Workspace]:
    """A toy of its own with an empty cache, so that nothing comes from an earlier, good download."""
    space = Workspace(tmp_path / "space", toy_mirror, tmp_path / "cache")
    space.define()
    yield space
    check_nothing_left(tmp_path)
    assert list(space.images.glob("*")) == []
    shutil.rmtree(space.work, ignore_errors=True)


def one_error(result: Result, program: str, *words: str, status: tuple[int, ...] = (1, 2)) -> str:
    """The error line, after checking that it is the only one and names what it must."""
    assert result.status in status, str(result)
    lines = result.error_lines(program)
    assert len(lines) == 1, str(result)
    assert "Traceback" not in result.output, str(result)
    for word in words:
        assert word in result.stderr, f"{word!r} is not in: {result}"
    return lines[0]


def copied_mirror(mirror: Mirror, folder: Path) -> Mirror:
    """A mirror whose small files are copies and whose archives are links; tests spoil one of its files."""
    for path in mirror.folder.rglob("*"):
        relative = path.relative_to(mirror.folder)
        if relative.parts[0] not in {"releases", "snapshots", "distfiles"} or path.is_dir():
            continue
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.stat().st_size < 100_000:
            shutil.copy(path, target)
        else:
            target.symlink_to(path)
    return Mirror(folder, mirror.overlay, mirror.keyring)


def stage3(mirror: Mirror) -> Path:
    """The stage3 archive of a mirror."""
    (archive,) = (mirror.folder / AUTOBUILDS).glob("*/stage3-*.tar.xz")
    return archive


def test_typo_in_a_key(space: Workspace) -> None:
    path = space.define(pakages=["app-misc/toy"])
    number = next(i for i, line in enumerate(path.read_text().splitlines(), 1) if "pakages" in line)
    result = space.genpack("build")
    assert result.status == 2, str(result)
    assert f"genpack.json5:{number}: pakages: " in result.stderr
    assert "packages" in result.stderr.replace("pakages", "")
    assert "Traceback" not in result.stderr
    assert not space.work.exists() or not any(space.work.rglob("lower"))


def test_several_problems_are_reported_together(space: Workspace) -> None:
    space.define(profile=3, users=[{"name": "a"}, {"name": "a"}], services="x.service")
    result = space.genpack("check")
    assert result.status == 2, str(result)
    for key in ("profile", "users", "services"):
        assert f": {key}" in result.stderr, str(result)


def test_syntax_error_has_a_line(space: Workspace) -> None:
    (space.artifact / "genpack.json5").write_text('{\n  name: "toy",\n  profile "toy"\n}\n')
    one_error(space.genpack("build"), "genpack", "genpack.json5:3", status=(2,))


def test_text_changed_after_signing(space: Workspace, tmp_path: Path) -> None:
    mirror = copied_mirror(space.mirror, tmp_path / "mirror")
    pointer = mirror.folder / AUTOBUILDS / "latest-stage3-amd64-systemd.txt"
    text = pointer.read_text()
    size = str(stage3(mirror).stat().st_size)
    assert size in text
    pointer.write_text(text.replace(size, str(int(size) + 1)))
    spoiled = Workspace(space.base, mirror, space.cache)
    one_error(spoiled.genpack("build"), "genpack", "latest-stage3-amd64-systemd.txt", "signature", status=(1,))


def test_signature_by_an_unknown_key(space: Workspace, tmp_path: Path) -> None:
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ("gpg", "--homedir", home, "--batch", "--passphrase", "")
    try:
        run(*gpg, "--quick-generate-key", "Somebody Else <else@invalid>", "ed25519", "sign").ok()
        keyring = tmp_path / "other.asc"
        keyring.write_text(run(*gpg, "--armor", "--export").ok().stdout)
    finally:
        run("gpgconf", "--homedir", home, "--kill", "all")
    stranger = Workspace(space.base, Mirror(space.mirror.folder, space.mirror.overlay, keyring), space.cache)
    one_error(stranger.genpack("build"), "genpack", "latest-stage3-amd64-systemd.txt", "key", status=(1,))


def test_missing_signature(space: Workspace, tmp_path: Path) -> None:
    mirror = copied_mirror(space.mirror, tmp_path / "mirror")
    for signature in mirror.folder.glob("snapshots/*.gpgsig"):
        signature.unlink()
    one_error(Workspace(space.base, mirror, space.cache).genpack("build"), "genpack", ".gpgsig", status=(1,))


def test_truncated_stage3(space: Workspace, tmp_path: Path) -> None:
    mirror = copied_mirror(space.mirror, tmp_path / "mirror")
    archive = stage3(mirror)
    with archive.open("rb") as file:
        beginning = file.read(1 << 20)
    archive.unlink()
    archive.write_bytes(beginning)
    spoiled = Workspace(space.base, mirror, space.cache)
    one_error(spoiled.genpack("build"), "genpack", archive.name, status=(1,))
    # No half file is taken for a whole one later: the good mirror's archive is fetched and verified all the same.
    assert [p for p in space.cache.rglob("*.tar.xz") if p.is_file() and p.stat().st_size == 1 << 20] == []


def test_not_root(space: Workspace) -> None:
    result = run(*NAMESPACE, *space.argv("build"), env=space.env)
    one_error(result, "genpack", "root", status=(1,))


@pytest.mark.parametrize(
    ("tool", "package"), [("systemd-nspawn", "systemd-container"), ("mksquashfs", "squashfs-tools")]
)
def test_missing_tool_of_the_builder(space: Workspace, tmp_path: Path, tool: str, package: str) -> None:
    path = path_without(tmp_path / "bin", tool)
    one_error(space.genpack("build", env={"PATH": path}), "genpack", tool, package, status=(1,))
    assert not list(space.work.rglob("lower"))


def vm_run(tmp_path: Path, image: Path, *options: Argument, path: str | None = None) -> Result:
    """`vm run` of an image that can't boot; it must end by itself."""
    env = {"VM_RUN_ROOT": str(tmp_path / "run"), "HOME": str(tmp_path), **({"PATH": path} if path else {})}
    result = run("vm", "run", *options, image, env=env, timeout=60)
    assert not list((tmp_path / "run").glob("[!.]*"))
    check_nothing_left(tmp_path)
    return result


@pytest.fixture
def small_image(tmp_path: Path) -> Path:
    """A SquashFS image with metadata and a big file, but no kernel."""
    tree = tmp_path / "tree"
    (tree / ".genpack").mkdir(parents=True)
    (tree / ".genpack" / "artifact").write_text("small")
    (tree / "boot").mkdir()
    (tree / "boot" / "initramfs").write_bytes(bytes(range(256)) * 4096)
    image = tmp_path / "small.squashfs"
    run("mksquashfs", tree, image, "-quiet", "-no-progress").ok()
    return image


def test_image_without_a_kernel(tmp_path: Path, small_image: Path) -> None:
    one_error(vm_run(tmp_path, small_image), "vm", str(small_image), "kernel")


def test_corrupted_image(tmp_path: Path, small_image: Path) -> None:
    content = small_image.read_bytes()
    for name, spoiled in {
        "no-magic": b"\0" * 96 + content[96:],
        "tables-gone": content[:96] + b"\xff" * (len(content) - 96),
        "cut": content[: len(content) // 2],
        "empty": b"",
    }.items():
        image = tmp_path / f"{name}.squashfs"
        image.write_bytes(spoiled)
        one_error(vm_run(tmp_path, image), "vm", str(image))
    one_error(vm_run(tmp_path, tmp_path / "none.squashfs"), "vm", "none.squashfs")


def test_bad_vm_options(tmp_path: Path, hello_image: Path) -> None:
    one_error(vm_run(tmp_path, hello_image, "--name", "../x"), "vm", "../x", status=(2,))
    one_error(vm_run(tmp_path, hello_image, "--system-ini", tmp_path / "no.ini"), "vm", "no.ini", status=(2,))


def test_missing_qemu(tmp_path: Path, hello_image: Path) -> None:
    path = path_without(tmp_path / "bin", "qemu-system-x86_64")
    one_error(vm_run(tmp_path, hello_image, path=path), "vm", "qemu-system-x86_64", "qemu-system-x86", status=(1,))


def test_unknown_vm(tmp_path: Path) -> None:
    env = {"VM_RUN_ROOT": str(tmp_path / "run")}
    for words in (("stop", "nobody"), ("ssh", "nobody", "true"), ("wait", "nobody", "--timeout", "5")):
        result = run("vm", *words, env=env)
        one_error(result, "vm", "nobody", status=(1, 125))
    listed = json.loads(run("vm", "list", "--format", "json", env=env).ok().stdout)
    assert listed == {"version": 1, "vms": []}


def test_the_readme_s_own_artifact_is_valid(toy_mirror: Mirror, tmp_path: Path) -> None:
    """README.md tells how to make an artifact out of hello: its definition passes every check as it stands there."""
    repo = Path(__file__).resolve().parents[2]
    blocks = repo.joinpath("README.md").read_text().split("\n\n")
    (definition,) = [b for b in blocks if b.startswith('    {\n      name: "my-image"')]
    space = Workspace(tmp_path, toy_mirror, tmp_path / "cache")
    shutil.copytree(repo / "genpack-artifacts" / "hello", space.artifact)
    (space.artifact / "genpack.json5").write_text(definition)
    space.genpack("check").ok()
