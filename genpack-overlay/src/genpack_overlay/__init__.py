# SPDX-License-Identifier: MIT
"""genpack-overlay: the Gentoo repository of genpack, and the command that hands it out."""

from importlib import metadata

__version__ = metadata.version("genpack-overlay")
