# SPDX-License-Identifier: MIT
"""Real Portage, twice: as files for the stage3, and in a virtual environment for egencache."""

from __future__ import annotations

import shutil
from pathlib import Path

from .process import run

VERSION = "3.0.83"
#: What builds Portage's sdist; pinned like everything else.
BUILD_TOOLS = ("meson==1.9.1", "ninja==1.13.0")
_PYTHON_DIR = "/usr/lib/python3/dist-packages"


def make_portage(folder: Path) -> None:
    """``folder/venv`` (Portage as a library) and ``folder/image`` (installed below / for the stage3).

    The image comes from the sdist: the wheel puts its database below /usr/etc and /usr/var.
    """
    venv, image, source = folder / "venv", folder / "image", folder / "source"
    run(["/usr/bin/python3", "-m", "venv", venv])
    run([venv / "bin/pip", "install", "-q", *BUILD_TOOLS, "meson-python", f"portage=={VERSION}"])
    tools = {"PATH": f"{venv}/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    run(
        [venv / "bin/pip", "download", "-q", "--no-deps", "--no-binary=portage", "--no-build-isolation"]
        + ["-d", source, f"portage=={VERSION}"],
        env=tools,
    )
    run(["tar", "-C", source, "-xzf", source / f"portage-{VERSION}.tar.gz"])
    run(
        [venv / "bin/meson", "setup", "--prefix=/usr", "--sysconfdir=/etc", "--localstatedir=/var"]
        + ["-Dnative-extensions=false", "-Dsystem-wide=true"]
        + [f"-Dpython.purelibdir={_PYTHON_DIR}", f"-Dpython.platlibdir={_PYTHON_DIR}"]
        + [source / "build", source / f"portage-{VERSION}"],
        env=tools,
    )
    run([venv / "bin/meson", "install", "-C", source / "build"], env={**tools, "DESTDIR": str(image)})
    shutil.rmtree(image / _PYTHON_DIR.lstrip("/") / "portage/tests", ignore_errors=True)
    for cache in list(image.rglob("__pycache__")):
        shutil.rmtree(cache)
    shutil.rmtree(source)
