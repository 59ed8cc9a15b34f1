# SPDX-License-Identifier: MIT
"""Image definitions for genpack, and the command that lists them."""
