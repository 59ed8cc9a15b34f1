# SPDX-License-Identifier: MIT
"""`python -m genpack_artifacts` is the command genpack-artifacts."""

from genpack_artifacts.cli import main

if __name__ == "__main__":
    main()
