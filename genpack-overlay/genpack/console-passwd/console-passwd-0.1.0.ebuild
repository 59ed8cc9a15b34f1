# SPDX-License-Identifier: MIT

EAPI=8

PYTHON_COMPAT=( python3_{11..14} )
inherit python-single-r1

DESCRIPTION="Password for the consoles of a machine alone"
HOMEPAGE="https://genpack.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"
REQUIRED_USE="${PYTHON_REQUIRED_USE}"

# login's configuration belongs to pambase, whose package script makes it ask this program.
RDEPEND="
	${PYTHON_DEPS}
	sys-apps/genpack-init
	sys-auth/pambase
	sys-libs/pam
"

src_install() {
	newbin "${FILESDIR}"/console-passwd.py console-passwd
	python_fix_shebang "${ED}"/usr/bin
}
