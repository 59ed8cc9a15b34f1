# SPDX-License-Identifier: MIT

EAPI=8

PYTHON_COMPAT=( python3_{11..14} )
inherit python-single-r1 systemd

DESCRIPTION="Services of the host on local TCP ports of a virtual machine"
HOMEPAGE="https://genpack.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"
REQUIRED_USE="${PYTHON_REQUIRED_USE}"

RDEPEND="
	${PYTHON_DEPS}
	net-misc/socat
"

src_install() {
	newbin "${FILESDIR}"/sock-forward.py sock-forward
	python_fix_shebang "${ED}"/usr/bin
	systemd_newunit "${FILESDIR}"/sock-forward_at.service sock-forward@.service
}
