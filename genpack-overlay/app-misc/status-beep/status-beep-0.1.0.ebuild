# SPDX-License-Identifier: MIT

EAPI=8

inherit systemd

DESCRIPTION="Beeps when the machine is up, and when it goes down"
HOMEPAGE="https://genpack.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"

RDEPEND="
	app-misc/beep
"

src_install() {
	systemd_dounit "${FILESDIR}"/status-beep.service
}
