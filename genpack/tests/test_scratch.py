# SPDX-License-Identifier: MIT
"""Folders of a process: gone with it, at the latest when the next one comes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import make_key, remove_key
from genpack.errors import TrustError
from genpack.trust import Verifier

from genpack import scratch

HOLD = """
import sys
from pathlib import Path
from genpack import scratch
with scratch.folder(Path(sys.argv[1])) as made:
    (made / "file").write_text("x")
    print(made.name, flush=True)
    sys.stdin.read()
"""


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.spawns
def test_what_a_killed_process_left_goes_and_what_another_holds_stays(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", HOLD, str(tmp_path)]
    held = [subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    names = [process.stdout.readline().strip() for process in held if process.stdout]
    assert names_in(tmp_path) == sorted(names)
    held[0].send_signal(signal.SIGKILL)
    held[0].communicate()
    assert (tmp_path / names[0] / "file").is_file()
    with scratch.folder(tmp_path) as made:
        assert names_in(tmp_path) == sorted([names[1], made.name])
        assert made.stat().st_mode & 0o777 == 0o700
    held[1].communicate()
    assert held[1].returncode == 0
    assert names_in(tmp_path) == []


@pytest.mark.spawns
def test_gpg_s_home_is_one_of_them(tmp_path: Path) -> None:
    key = make_key(tmp_path, "x")
    remove_key(key)
    place = tmp_path / "gpg"
    with Verifier(key.public, place) as verifier:
        with pytest.raises(TrustError, match="has no signature"):
            verifier.clearsigned("file", b"x")
        (home,) = place.iterdir()
        assert (home / "pubring.kbx").is_file()
    assert list(place.iterdir()) == []
