# SPDX-License-Identifier: MIT
"""What the plugin host runs at boot: read system.ini, run the plugins, say what happened."""

from __future__ import annotations

import logging
import os
import time

from genpack_init import plugins, systemini
from genpack_init.isolation import Surroundings
from genpack_init.log import FOR_PEOPLE, set_up_boot
from genpack_init.paths import STATE_FILE, replace_file, text_path
from genpack_init.platform import load_firmware_config


def main(descriptor: int) -> int:
    """Run all plugins; PID 1 reads each one's start and end from `descriptor`. Returns 0 whatever they do."""
    begin = time.perf_counter()

    def progress(line: str) -> None:
        try:
            os.write(descriptor, f"{line}\n".encode(errors="replace"))
        except OSError:
            pass  # PID 1 has stopped listening; the plugins still count

    set_up_boot()
    load_firmware_config()
    ini, problems = systemini.load(systemini.layers())
    for line in problems:
        logging.warning("%s", line)
    if systemini.get_boolean(ini, systemini.DEFAULT_SECTION, "debug", False):
        logging.getLogger().setLevel(logging.DEBUG)
    logging.info("system.ini: %s", ", ".join(ini.files) or "none")
    before = Surroundings()
    results = [plugins.run_one(path, ini, progress, before) for path in plugins.discover()]
    total = round((time.perf_counter() - begin) * 1000, 3)
    summarize(results, ini.files, total)
    logging.shutdown()
    return 0


def summarize(results: list[plugins.Result], files: list[str], total_ms: float) -> None:
    """One line for people, and the state file for `genpack-init blame` and others."""
    ran = sum(result.status != "skipped" for result in results)
    failed = [result.name for result in results if result.status == "failed"]
    names = f" ({', '.join(failed)})" if failed else ""
    logging.info("%d plugins run, %d failed%s, %.0f ms", ran, len(failed), names, total_ms, extra=FOR_PEOPLE)
    import json

    state = {
        "version": 1,
        "system_ini": files,
        "plugins": [result.as_dict() for result in results],
        "run": ran,
        "failed": len(failed),
        "total_ms": total_ms,
    }
    try:
        replace_file(text_path(STATE_FILE), json.dumps(state, indent=1) + "\n")
    except OSError as error:
        logging.warning("%s: %s", text_path(STATE_FILE), error.strerror)
