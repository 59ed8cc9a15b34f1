# SPDX-License-Identifier: MIT
"""`python -m genpack_install` is the command `genpack-install`."""

from genpack_install.cli import main

main()
