#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Start wpa_supplicant on the first wireless interface of this machine, whatever its name is."""

import argparse
import os
import shlex
import sys
import time
from pathlib import Path

INTERFACES = Path("/sys/class/net")
CONFIG = Path("/etc/wpa_supplicant/wpa_supplicant.conf")
PAUSE = 1.0  # seconds between two looks


def first_wireless(folder: Path) -> str | None:
    """The wireless interface whose name sorts first: the kernel gives those, and only those, a phy80211."""
    return next((path.name for path in sorted(folder.glob("*")) if (path / "phy80211").exists()), None)


def main() -> None:
    """Replaces itself with wpa_supplicant."""
    parser = argparse.ArgumentParser(prog="wpa_supplicant_any80211", description=__doc__)
    parser.add_argument("config", nargs="?", type=Path, default=CONFIG, help="of wpa_supplicant (default: %(default)s)")
    parser.add_argument("-w", "--wait", action="store_true", help="wait for an interface if there is none yet")
    parser.add_argument("--dry-run", action="store_true", help="print the command instead of running it")
    options = parser.parse_args()
    if not options.config.is_file():
        sys.exit(f"wpa_supplicant_any80211: error: there is no file {options.config}")
    while (interface := first_wireless(INTERFACES)) is None:
        if not options.wait:
            sys.exit("wpa_supplicant_any80211: error: this machine has no wireless interface")
        time.sleep(PAUSE)
    argv = ["wpa_supplicant", f"-i{interface}", f"-c{options.config}"]
    if options.dry_run:
        print(shlex.join(argv))
        return
    try:
        os.execvp(argv[0], argv)
    except OSError as e:
        sys.exit(f"wpa_supplicant_any80211: error: wpa_supplicant can't be started: {e.strerror}")


if __name__ == "__main__":
    main()
