# SPDX-License-Identifier: MIT
"""The real tools behind the disk functions: parted and mkfs on files, mount and umount in a mount namespace."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import genpack_init
from genpack_init import GenpackInitError

SIZES = {"btrfs": 120, "vfat": 40, "ext4": 20}  # MiB


def disk(path: Path, mib: int) -> Path:
    with path.open("wb") as file:
        file.truncate(mib << 20)
    return path


def test_parted(tmp_path: Path) -> None:
    file = disk(tmp_path / "disk", 64)
    assert genpack_init.parted(file, "mklabel gpt mkpart ESP fat32 1MiB 33MiB set 1 esp on mkpart data 33MiB 100%") == 0
    said = subprocess.run(["parted", "-ms", file, "print"], capture_output=True, text=True, check=True).stdout
    assert [line.split(":")[5] for line in said.splitlines()[2:]] == ["ESP", "data"]
    assert ":gpt:" in said and "esp" in said
    assert genpack_init.parted(file, "mkpart data 1MiB 500MiB") == 1  # beyond the end
    with pytest.raises(GenpackInitError, match=r"parted --script .* exited with status 1"):
        genpack_init.parted(file, "rm 9", check=True)


@pytest.mark.parametrize("fstype", SIZES)
def test_mkfs(tmp_path: Path, fstype: str) -> None:
    file = disk(tmp_path / "disk", SIZES[fstype])
    for label in ("FIRST", "SECOND"):  # over the one that is there
        assert genpack_init.mkfs(file, fstype, label) == 0
    info = genpack_init.get_partition_info(file)
    assert info is not None and info["type"] == fstype and info["uuid"]
    command = ["blkid", "-p", "-o", "value", "-s", "LABEL", file]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "SECOND"
    tiny = disk(tmp_path / "tiny", 0)
    assert genpack_init.mkfs(tiny, fstype) != 0
    with pytest.raises(GenpackInitError, match=f"mkfs.{fstype} "):
        genpack_init.mkfs(tiny, fstype, check=True)


def test_mkswap_fails(tmp_path: Path) -> None:
    tiny = disk(tmp_path / "tiny", 0)
    assert genpack_init.mkswap(tiny) == 1
    with pytest.raises(GenpackInitError, match="mkswap"):
        genpack_init.mkswap(tiny, "label", check=True)


# In a user and mount namespace, so that no root rights are needed and nothing is left mounted.
INSIDE = """\
import errno, os, sys
from genpack_init import get_mount_info, mount, umount
base = sys.argv[1]
a, b = f"{base}/a", f"{base}/b"
os.mkdir(a); os.mkdir(b)
assert mount("tmpfs", a, fstype="tmpfs", options="size=1m,nosuid,noatime") == 0
info = get_mount_info(f"{a}/file")
assert (info["target"], info["fstype"], info["source"]) == (a, "tmpfs", "tmpfs"), info
assert {"nosuid", "noatime", "size=1024k"} <= set(info["options"].split(",")), info
open(f"{a}/file", "w").close()
assert mount(a, b, options="bind") == 0 and os.listdir(b) == ["file"]
assert mount("none", b, options="remount,bind,ro,nosuid,noatime") == 0
try:
    open(f"{b}/file", "w")
except OSError as error:
    assert error.errno == errno.EROFS, error
else:
    raise AssertionError("still writable")
with open(f"{b}/file"):
    assert umount(b) == errno.EBUSY
    try:
        umount(b, check=True)
    except OSError as error:
        assert (error.errno, error.filename) == (errno.EBUSY, b)
    else:
        raise AssertionError("no error")
assert umount(b) == 0 and umount(a) == 0 and umount(a) == errno.EINVAL
assert mount("x", a, fstype="no-such-fs") == errno.ENODEV
assert mount("tmpfs", f"{base}/none", fstype="tmpfs") == errno.ENOENT
print("all of it")
"""


def test_mount_and_umount(tmp_path: Path) -> None:
    command = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", INSIDE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "all of it\n"), done.stderr
