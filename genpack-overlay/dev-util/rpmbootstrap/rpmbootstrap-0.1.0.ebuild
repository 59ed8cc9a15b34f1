# SPDX-License-Identifier: MIT

EAPI=8

PYTHON_COMPAT=( python3_{11..14} )
inherit python-single-r1

DESCRIPTION="Installs an RPM-based distribution into a folder"
HOMEPAGE="https://genpack.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"
REQUIRED_USE="${PYTHON_REQUIRED_USE}"

RDEPEND="
	${PYTHON_DEPS}
	app-arch/rpm
	app-arch/zstd
"

src_install() {
	newbin "${FILESDIR}"/rpmbootstrap.py rpmbootstrap
	python_fix_shebang "${ED}"/usr/bin
}
