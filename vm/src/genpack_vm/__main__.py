# SPDX-License-Identifier: MIT
"""`python -m genpack_vm` is the command `vm`."""

from genpack_vm.cli import main

main()
