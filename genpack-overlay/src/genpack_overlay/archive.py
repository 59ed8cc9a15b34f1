# SPDX-License-Identifier: MIT
"""The repository as one file. The same tree gives the same bytes, whoever packs it and when."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from . import repository
from .errors import OverlayError, UsageError

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".tar": lambda data: data,
    ".tar.gz": lambda data: gzip.compress(data, compresslevel=9, mtime=0),
    ".tar.xz": lambda data: lzma.compress(data, preset=6),
}


def write(root: Path, target: Path) -> None:
    """Write the repository below `root` to `target`, whose suffix names the compression. Replaces it at once."""
    packer = next((p for suffix, p in sorted(PACKERS.items(), reverse=True) if target.name.endswith(suffix)), None)
    if packer is None:
        raise UsageError(f"{target}: the name must end in {', '.join(PACKERS)}")
    if not target.parent.is_dir():
        raise UsageError(f"{target}: there is no folder {target.parent}")
    data = packer(_tar(root, int(os.environ.get("SOURCE_DATE_EPOCH", "0"))))
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), 0o644)
                Path(file.name).replace(target)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as e:
        raise OverlayError(f"cannot write {target}: {e.strerror}") from e


def _tar(root: Path, time: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in repository.files(root):
            info = tarfile.TarInfo(f"{repository.NAME}/{path.relative_to(root).as_posix()}")
            info.mtime = time
            if path.is_symlink():
                info.type, info.linkname = tarfile.SYMTYPE, os.fspath(path.readlink())
                tar.addfile(info)
                continue
            content = path.read_bytes()
            info.size = len(content)
            info.mode = 0o644
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
