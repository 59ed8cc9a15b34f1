# SPDX-License-Identifier: MIT
"""The local mirror: a folder in Gentoo's mirror layout, made from Debian packages and real Portage."""
