# SPDX-License-Identifier: MIT

EAPI=8

DESCRIPTION="WireGuard client that [wg-walbrix] of system.ini sets up"
HOMEPAGE="https://genpack.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"

RDEPEND="
	net-vpn/wireguard-tools
	sys-apps/genpack-init
"

src_install() {
	insinto /usr/lib/genpack-init
	doins "${FILESDIR}"/*.py
}
