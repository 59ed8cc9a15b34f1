# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path

import pytest
from genpack_progs import artifact
from genpack_progs.errors import ProgsError, UsageError


def add(path: Path, text: str, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_order_and_interpreters(tmp_path: Path) -> None:
    add(tmp_path / "build", "#!/bin/sh\n")
    for name in ("b.sh", "B.py", "alice/z.sh", "alice/a.sh"):
        add(tmp_path / "build.d" / name, "", 0o644)
    add(tmp_path / "build.d/10-run", "#!/bin/sh\n")
    steps = [(s.path.relative_to(tmp_path).as_posix(), s.argv[0], s.user) for s in artifact.plan(tmp_path)]
    assert steps == [
        ("build", f"{tmp_path}/build", "root"),
        ("build.d/10-run", f"{tmp_path}/build.d/10-run", "root"),
        ("build.d/B.py", "python3", "root"),
        ("build.d/b.sh", "/bin/sh", "root"),
        ("build.d/alice/a.sh", "/bin/sh", "alice"),
        ("build.d/alice/z.sh", "/bin/sh", "alice"),
    ]


def test_nothing_to_do(tmp_path: Path) -> None:
    assert artifact.plan(tmp_path) == []


def test_a_script_of_unknown_kind_is_an_error_before_anything_runs(tmp_path: Path) -> None:
    add(tmp_path / "build.d/10.sh", f"touch {tmp_path}/ran", 0o644)
    add(tmp_path / "build.d/README", "text", 0o644)
    with pytest.raises(UsageError, match="README is neither executable nor named"):
        artifact.plan(tmp_path)


def test_an_unknown_user_is_an_error_before_anything_runs(tmp_path: Path) -> None:
    add(tmp_path / "build.d/10.sh", f"touch {tmp_path}/ran", 0o644)
    add(tmp_path / "build.d/no-such-user/10.sh", "true", 0o644)
    with pytest.raises(UsageError, match="no-such-user is named after a user that does not exist"):
        artifact.execute(artifact.plan(tmp_path), os.environ)
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="changing the user needs root")
def test_home_user_and_folder() -> None:
    with tempfile.TemporaryDirectory() as name:  # tmp_path is for its owner alone
        folder = Path(name)
        folder.chmod(0o755)
        out = folder / "out"
        out.touch()
        out.chmod(0o666)
        body = f'echo "$(id -un) $HOME $USER $ARTIFACT $PWD" >> {out}'
        add(folder / "build.d/10.sh", body, 0o644)
        add(folder / "build.d/nobody/10.sh", body, 0o644)
        artifact.execute(artifact.plan(folder), {**os.environ, "ARTIFACT": "hello"})
        said = out.read_text()
    home = pwd.getpwnam("nobody").pw_dir
    root = pwd.getpwnam("root").pw_dir
    assert said == f"root {root} root hello /\nnobody {home} nobody hello /\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="scripts run as root")
def test_a_failure_names_the_script_and_its_status(tmp_path: Path) -> None:
    add(tmp_path / "build.d/10.sh", "exit 7", 0o644)
    add(tmp_path / "build.d/20.sh", f"touch {tmp_path}/ran", 0o644)
    with pytest.raises(ProgsError, match=f"build script {tmp_path}/build.d/10.sh exited with status 7"):
        artifact.execute(artifact.plan(tmp_path), os.environ)
    assert not (tmp_path / "ran").exists()
