# SPDX-License-Identifier: MIT
"""`vm mount` with the real kernel: as unsquashfs writes an image, as overlayfs shows a VM's root, all ways to end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Vm, lines, pack
from genpack_vm import mounting
from walk import walk

pytestmark = pytest.mark.spawn
WALK = Path(__file__).with_name("walk.py")


def fill(tree: Path) -> Path:
    """A tree with one of everything that an image may hold."""
    for name in ("etc/conf.d", "usr/lib/deep/er", "var/empty", "was/folder", "opaque/below", "moved"):
        (tree / name).mkdir(parents=True)
    (tree / "etc/passwd").write_text("root:x:0:0\n")
    (tree / "etc/odd \\ name\n\tü").write_text("odd")
    (tree / "etc/conf.d/one").write_text("1")
    (tree / "usr/lib/big").write_bytes(os.urandom(400_000) + b"\0" * 300_000)
    (tree / "usr/lib/fragment").write_bytes(os.urandom(5000))
    (tree / "usr/lib/empty").touch()
    with (tree / "usr/lib/sparse").open("wb") as file:
        file.seek(3_000_000)
        file.write(b"end")
        file.truncate(4_000_000)
    os.link(tree / "usr/lib/big", tree / "usr/lib/deep/hard")
    os.link(tree / "etc/passwd", tree / "etc/passwd-")
    (tree / "lib").symlink_to("usr/lib")
    (tree / "etc/absolute").symlink_to("/etc/passwd")
    (tree / "etc/nowhere").symlink_to("../../../none")
    for n in range(300):
        (tree / "usr/lib/deep" / f"{n:03}").write_text(str(n))
    (tree / "opaque/below/x").write_text("x")
    (tree / "opaque/y").write_text("y")
    (tree / "moved/file").write_text("m")
    (tree / "was/file").write_text("f")
    os.mkfifo(tree / "var/fifo")
    os.mknod(tree / "var/device", 0o20644, os.makedev(300, 70000))
    os.chown(tree / "etc/passwd", 1234, 70000)
    (tree / "etc/passwd").chmod(0o4750)
    (tree / "var/empty").chmod(0o1777)
    os.setxattr(tree / "etc/conf.d/one", "user.note", b"a\0b")
    os.setxattr(tree / "etc/conf.d", "user.folder", b"")
    os.setxattr(tree / "usr/lib/fragment", "trusted.t", b"x" * 3000)
    os.setxattr(tree / "lib", "trusted.link", b"l", follow_symlinks=False)
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    os.setxattr(tree / "usr/lib/big", "security.capability", capability)
    os.utime(tree / "etc/conf.d/one", (5, 1_000_000_005))
    return tree


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("mount, \\ comma")
    fill(top / "tree")
    return pack(top / "tree", top / "image.squashfs", "-comp", "zstd", "-Xcompression-level", "1")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "a mount"
    folder.mkdir()
    yield folder
    subprocess.run(["umount", "-q", "-l", folder], check=False)


def differences(wanted: dict[str, Any], found: dict[str, Any]) -> dict[str, object]:
    """Only what differs: whole trees are no message."""
    a, b = ({**tree["files"], "/": tree["root"], "linked": {"groups": tree["linked"]}} for tree in (wanted, found))
    different: dict[str, object] = {}
    for name in sorted(a.keys() | b.keys()):
        x, y = a.get(name, {}), b.get(name, {})
        different |= {
            f"{name}: {key}": (x.get(key), y.get(key)) for key in x.keys() | y.keys() if x.get(key) != y.get(key)
        }
    return different


def test_an_image_looks_as_unsquashfs_writes_it(vm: Vm, image: Path, place: Path, tmp_path: Path) -> None:
    subprocess.run(["unsquashfs", "-q", "-n", "-d", tmp_path / "out", image], check=True, stdout=subprocess.DEVNULL)
    done = vm("mount", image, place)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert mounting.mounted(place) == "fuse.vm"
    assert differences(walk(tmp_path / "out"), walk(place)) == {}
    listed = [
        subprocess.run(
            ["ls", "-lR", "--time-style=+%s", "."], cwd=top, capture_output=True, text=True, check=True
        ).stdout
        for top in (tmp_path / "out", place)
    ]
    # Sizes of folders and the blocks that files take are the file system's own affair.
    cleaned = [[line.split() for line in text.splitlines() if not line.startswith(("total", "d"))] for text in listed]
    assert cleaned[0] == cleaned[1]
    assert len(cleaned[0]) > 300
    with pytest.raises(OSError, match="Read-only"):
        (place / "new").touch()
    with pytest.raises(OSError, match="Read-only"), (place / "etc/passwd").open("r+"):
        pass
    space = os.statvfs(place)
    assert (space.f_bavail, space.f_frsize * space.f_blocks >= image.stat().st_size // 2) == (0, True)
    assert vm("umount", place).returncode == 0
    assert mounting.mounted(place) is None


CHANGES = """
cd "$T/merged"
echo new > etc/new
echo changed >> etc/passwd
chmod 600 etc/conf.d/one
chown 5:6 etc/absolute -h
rm usr/lib/fragment usr/lib/deep/007
rm -r was; echo file > was
rm -r opaque; mkdir opaque; echo z > opaque/z; mkdir opaque/below
rm lib; ln -s usr/lib64 lib
mkdir -p made/of/folders; ln etc/new made/hard
mv moved/file moved/renamed
touch usr/lib/empty
rm -r var/empty
python3 -c 'import os; os.setxattr("usr/lib/deep/001", "user.mine", b"1")'
truncate -s 10 usr/lib/big
"""

SCRIPT = """
set -e
mount -t tmpfs tmpfs "$T/rw"
mkdir -p "$T/rw/fs/root" "$T/rw/fs/work"
ln -s "$T/image.squashfs" "$T/rw/system"
mount -t overlay overlay -o lowerdir="$T/lower",upperdir="$T/rw/fs/root",workdir="$T/rw/fs/work" "$T/merged"
(%s)
"$PYTHON" "$WALK" "$T/merged" > "$T/wanted.json"
umount "$T/merged"
"$PYTHON" -m genpack_vm mount "$T/rw" "$T/merged"
"$PYTHON" "$WALK" "$T/merged" > "$T/found.json"
"$PYTHON" -m genpack_vm umount "$T/merged"
"$PYTHON" -m genpack_vm drift "$T/rw" > "$T/drift"
"$PYTHON" -m genpack_vm drift --format json "$T/rw" > "$T/drift.json"
"$PYTHON" -m genpack_vm cat "$T/rw" etc/passwd made/hard usr/lib/deep/001 > "$T/cat"
"$PYTHON" -m genpack_vm ls "$T/rw" opaque moved > "$T/ls"
"""


def test_a_root_looks_as_overlayfs_shows_it(image: Path, tmp_path: Path) -> None:
    """The changes are made through the kernel's overlayfs over what unsquashfs wrote."""
    for name in ("rw", "merged"):
        (tmp_path / name).mkdir()
    subprocess.run(["unsquashfs", "-q", "-n", "-d", tmp_path / "lower", image], check=True, stdout=subprocess.DEVNULL)
    (tmp_path / "image.squashfs").symlink_to(image)
    env = {**os.environ, "T": str(tmp_path), "PYTHON": sys.executable, "WALK": str(WALK)}
    argv = ["unshare", "--mount", "sh", "-c", SCRIPT % CHANGES]
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wanted, found = (json.loads((tmp_path / name).read_text()) for name in ("wanted.json", "found.json"))
    assert differences(wanted, found) == {}
    assert "usr/lib/fragment" not in found["files"]
    assert (tmp_path / "drift").read_text().splitlines() == [
        "changed /etc/absolute",
        "changed /etc/conf.d/one",
        "added   /etc/new",
        "changed /etc/passwd",
        "changed /lib",
        "added   /made",
        "deleted /moved/file",
        "added   /moved/renamed",
        "deleted /opaque/below/x",
        "deleted /opaque/y",
        "added   /opaque/z",
        "changed /usr/lib/big",
        "changed /usr/lib/deep/001",
        "deleted /usr/lib/deep/007",
        "deleted /usr/lib/fragment",
        "deleted /var/empty",
        "changed /was",
    ]
    drift = json.loads((tmp_path / "drift.json").read_text())
    assert (drift["version"], drift["deleted"][0], len(drift["added"])) == (1, "moved/file", 4)
    assert (tmp_path / "cat").read_text() == "root:x:0:0\nchanged\nnew\n1"
    assert (tmp_path / "ls").read_text().split() == ["opaque/below", "opaque/z", "moved/renamed"]


def start(vm: Vm, image: Path, place: Path) -> subprocess.Popen[str]:
    child = vm.start("mount", "--foreground", image, place)
    assert child.stderr is not None
    assert "is mounted on" in child.stderr.readline()
    return child


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_unmounts(vm: Vm, image: Path, place: Path, signum: signal.Signals) -> None:
    child = start(vm, image, place)
    fd = os.open(place / "etc/passwd", os.O_RDONLY)  # a file that is open is no reason to stay
    child.send_signal(signum)
    _, err = child.communicate(timeout=20)
    with pytest.raises(OSError, match="not connected"):
        os.read(fd, 1)
    with contextlib.suppress(OSError):
        os.close(fd)
    assert child.returncode == 128 + signum
    assert "Traceback" not in err
    assert mounting.mounted(place) is None
    assert list(place.iterdir()) == []


def server(child: subprocess.Popen[str]) -> int:
    return int(Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()[0])


def test_a_server_that_crashes_leaves_no_mount(vm: Vm, image: Path, place: Path) -> None:
    """As libsquashfuse may do with a damaged image."""
    child = start(vm, image, place)
    os.kill(server(child), signal.SIGSEGV)
    _, err = child.communicate(timeout=20)
    assert child.returncode == 2
    assert "was killed by SIGSEGV; it is unmounted" in err
    assert mounting.mounted(place) is None


def test_the_server_ends_with_its_watcher(vm: Vm, image: Path, place: Path) -> None:
    child = start(vm, image, place)
    child.kill()
    vm.until(lambda: mounting.mounted(place) is None)


def test_umount_by_the_kernel(vm: Vm, image: Path, place: Path) -> None:
    child = start(vm, image, place)
    with (place / "etc/passwd").open():
        busy = vm("umount", place)
        assert busy.returncode == 1
        assert f"cannot unmount {place}: Device or resource busy" in busy.stderr
        assert (place / "etc/passwd").exists()
    again = vm("mount", image, place)
    assert (again.returncode, "something is mounted on" in again.stderr) == (2, True)
    subprocess.run(["umount", place], check=True)
    assert child.wait(20) == 0


def test_bad_input(vm: Vm, image: Path, place: Path, tmp_path: Path) -> None:
    def bad(arguments: list[str | Path], message: str, status: int = 2) -> None:
        done = vm(*arguments)
        assert done.returncode == status, done.stderr
        assert done.stdout == ""
        (line,) = lines(done.stderr)
        assert message in line
        assert mounting.mounted(place) is None

    text = tmp_path / "text"
    text.write_text("no image")
    folder = tmp_path / "vm"
    folder.mkdir()
    bad(["mount", image, tmp_path / "none"], f"cannot mount on {tmp_path}/none: No such file")
    bad(["mount", image, text], "Not a directory")
    bad(["mount", text, place], "not a SquashFS image")
    bad(["mount", tmp_path / "none.squashfs", place], "cannot open the image")
    bad(["mount", folder, place], f"{folder} has no `system`")
    bad(["mount", "nobody", place], "'nobody' is neither a file nor a running VM", 1)
    bad(["mount", "no/body", place], "cannot open the image")
    bad(["umount", place], "nothing is mounted there")
    bad(["umount", "/proc"], "a proc is mounted there, not by vm")
    bad(["ls", image, "etc/none"], "has no /etc/none", 1)
    bad(["cat", image, "etc"], "/etc is not a file")
    bad(["drift", image], "has no writable layer")
    bad(["drift", "nobody"], "neither a file nor a running VM", 1)


def test_without_pyfuse3(image: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from genpack_vm.errors import VmError

    monkeypatch.setitem(sys.modules, "pyfuse3", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(VmError, match="pyfuse3 is required to mount") as e:
        mounting.mount(str(image), place, foreground=True)
    assert "genpack-vm[mount]" in str(e.value.tip)


def test_ls_and_cat(vm: Vm, image: Path) -> None:
    assert vm("ls", image, "/lib/deep/er", "etc").stdout == (
        "etc/absolute\netc/conf.d\netc/nowhere\netc/odd \\ name\\n\\tü\netc/passwd\netc/passwd-\n"
    )
    long = vm("ls", "-lR", image, "var").stdout.splitlines()
    assert [line.split()[0] for line in long] == ["crw-r--r--", "drwxrwxrwt", "prw-r--r--"]
    assert long[0].split()[3] == "300,70000"
    (found,) = json.loads(vm("ls", "--format", "json", image, "etc/passwd").stdout)["files"]
    assert (found["mode"], found["uid"], found["gid"], found["links"]) == (0o104750, 1234, 70000, 2)
    assert "etc/absolute -> /etc/passwd" in vm("ls", "-l", image, "etc").stdout
    assert vm("cat", image, "etc/absolute", "etc/conf.d/one").stdout == "root:x:0:0\n1"
    head = subprocess.Popen([*vm.argv("cat", image, "usr/lib/sparse")], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert head.stdout is not None
    assert head.stdout.read(3) == b"\0\0\0"
    head.stdout.close()
    assert head.wait(20) == 1
    assert head.stderr is not None
    assert head.stderr.read() == b""
    head.stderr.close()


def test_a_running_vm(vm: Vm, image: Path, fake_vm: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "fs/root/etc").mkdir(parents=True)
    (tmp_path / "fs/root/etc/new").write_text("n")
    running = fake_vm("web")
    running.write(image=str(image), virtiofs=str(tmp_path / "fs"))  # type: ignore[attr-defined]  # conftest's FakeVm
    assert vm("drift", "web").stdout == "added   /etc/new\n"
    assert vm("cat", "web", "etc/new").stdout == "n"
    running.write(virtiofs=None)  # type: ignore[attr-defined]  # conftest's FakeVm
    assert vm("ls", "web", "etc/conf.d").stdout == "etc/conf.d/one\n"
