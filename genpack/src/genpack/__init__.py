# SPDX-License-Identifier: MIT
"""genpack builds a whole operating system image from one declarative file."""

__version__ = "0.1.0"
