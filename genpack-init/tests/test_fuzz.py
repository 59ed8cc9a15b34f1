# SPDX-License-Identifier: MIT
"""The fuzz target runs for GENPACK_FUZZ_SECONDS (10), from the golden samples on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parents[1] / "ci" / "formats" / "system.ini"


def test_no_input_makes_the_reader_raise_or_lose_keys(tmp_path: Path) -> None:
    seconds = int(os.environ.get("GENPACK_FUZZ_SECONDS") or 10)
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for sample in SAMPLES.glob("*.ini"):
        shutil.copy(sample, corpus)
    limits = [f"-max_total_time={seconds}", "-max_len=2000", "-timeout=20", "-rss_limit_mb=1000"]
    command = [sys.executable, HERE / "fuzz_systemini.py", *limits, f"-artifact_prefix={tmp_path}/", corpus]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    found = re.search(r"Done (\d+) runs in", done.stderr)
    assert found and int(found[1]) > 100, done.stderr[-4000:]
    print(f"{found[1]} inputs in {seconds} s")
