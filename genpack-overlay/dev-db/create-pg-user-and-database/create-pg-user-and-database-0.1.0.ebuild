# SPDX-License-Identifier: MIT

EAPI=8

PYTHON_COMPAT=( python3_{11..14} )
inherit python-single-r1

DESCRIPTION="Makes a PostgreSQL user and a database of its own"
HOMEPAGE="https://genpack.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"
REQUIRED_USE="${PYTHON_REQUIRED_USE}"

RDEPEND="
	${PYTHON_DEPS}
	dev-db/postgresql
	sys-apps/util-linux
"

src_install() {
	newbin "${FILESDIR}"/create-pg-user-and-database.py create-pg-user-and-database
	python_fix_shebang "${ED}"/usr/bin
}
