# SPDX-License-Identifier: MIT
"""`python -m genpack`."""

from genpack.cli import main

if __name__ == "__main__":
    main()
