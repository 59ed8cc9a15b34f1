# SPDX-License-Identifier: MIT
"""Plugins of genpack-init that tests put on a data disk: four that misbehave, and one that mounts a boot partition."""

RAISES = """\
# SPDX-License-Identifier: MIT
def configure(ini):
    raise RuntimeError("this plugin raises on purpose")
"""
QUITS = """\
# SPDX-License-Identifier: MIT
import sys
def configure(ini):
    sys.exit(4)
"""
FORKS = """\
# SPDX-License-Identifier: MIT
import os
def configure(ini):
    if os.fork() == 0:
        os.write(2, b"an orphan loops for ever\\n")
        while True:
            pass
"""
EXITS = """\
# SPDX-License-Identifier: MIT
import os
def configure(ini):
    os._exit(3)
"""
#: The FAT boot partition of an installed system, as the initramfs has it mounted before any plugin runs.
MOUNTS = """\
# SPDX-License-Identifier: MIT
from genpack_init import boot_path, run
def configure():
    boot_path().mkdir(exist_ok=True)
    run(["mount", "-o", "loop,fmask=0177,dmask=0077", "/run/initramfs/rw/boot.img", boot_path()], check=True)
"""
