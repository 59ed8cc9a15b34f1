# SPDX-License-Identifier: MIT

EAPI=8

PYTHON_COMPAT=( python3_{11..14} )
inherit python-single-r1

DESCRIPTION="Certificate authority of one's own, for one network"
HOMEPAGE="https://genpack.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"
REQUIRED_USE="${PYTHON_REQUIRED_USE}"

RDEPEND="
	${PYTHON_DEPS}
	app-misc/ca-certificates
	dev-libs/nss[utils]
	dev-libs/openssl
"

src_install() {
	newbin "${FILESDIR}"/private-ca-tool.py private-ca-tool
	python_fix_shebang "${ED}"/usr/bin
}
