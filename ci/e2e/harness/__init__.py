# SPDX-License-Identifier: MIT
"""The one harness of the end-to-end tests: installed commands, toy builds, booted machines. It imports no package."""
