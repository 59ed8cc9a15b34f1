# SPDX-License-Identifier: MIT
"""Run and manage genpack images in QEMU."""

__version__ = "0.1.0"
