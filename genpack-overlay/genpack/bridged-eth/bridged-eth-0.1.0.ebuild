# SPDX-License-Identifier: MIT

EAPI=8

DESCRIPTION="Bridge over the wired network interfaces, by systemd-networkd"
HOMEPAGE="https://genpack.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"

RDEPEND="
	sys-apps/systemd
"

src_install() {
	insinto /usr/lib/systemd/network
	doins "${FILESDIR}"/*.{netdev,network}
}
