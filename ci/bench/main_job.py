# SPDX-License-Identifier: MIT
"""The demo's commands: how fast they start, a build with nothing to do, the image's size."""

from __future__ import annotations

from common import Bench, Hello, Row, seconds


def rows(bench: Bench) -> list[Row]:
    hello = Hello(bench)
    return [
        Row("genpack build, nothing changed", bench.median(lambda: hello.genpack("build")), 0.7, "s"),
        Row("genpack --help", bench.median(lambda: seconds(["genpack", "--help"])), 0.25, "s"),
        Row("vm --help", bench.median(lambda: seconds(["vm", "--help"])), 0.25, "s"),
        Row("hello image", hello.image.stat().st_size / 1e6, 130, "MB"),
    ]
