# SPDX-License-Identifier: MIT
"""One module a command: options in, one call into the library."""
