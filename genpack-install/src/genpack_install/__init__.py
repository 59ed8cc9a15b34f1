# SPDX-License-Identifier: MIT
"""Put genpack images on disks, ISO files and memory sticks."""

__version__ = "0.1.0"
