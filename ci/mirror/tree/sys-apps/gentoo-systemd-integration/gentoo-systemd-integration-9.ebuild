# SPDX-License-Identifier: MIT
EAPI=8

DESCRIPTION="Stand-in: what Gentoo adds to systemd is about its own env.d, and Debian's has nothing to add"
HOMEPAGE="https://wiki.gentoo.org/wiki/Systemd"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"

RDEPEND="sys-apps/systemd"
