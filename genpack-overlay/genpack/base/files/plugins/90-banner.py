# SPDX-License-Identifier: MIT
"""A banner on the console: which image this is, above each login prompt."""

from __future__ import annotations

from genpack_init import replace_file, root_path


def configure() -> None:
    """Write the banner to /run/issue.d, which agetty shows after /etc/issue."""
    artifact = word("artifact")
    if not artifact:
        return
    details = [text for name in ("variant", "profile", "arch") if (text := word(name))]
    title = f"{artifact} ({', '.join(details)})" if details else artifact
    title = title.replace("\\", "\\\\")  # agetty takes backslashes as escapes
    replace_file(root_path("run/issue.d/10-genpack.issue"), f"{title}, a genpack image; \\n, \\4\n\n")


def word(name: str) -> str:
    """The text of /.genpack/NAME, or nothing."""
    try:
        return root_path(".genpack", name).read_text(errors="replace").strip()
    except OSError:
        return ""
