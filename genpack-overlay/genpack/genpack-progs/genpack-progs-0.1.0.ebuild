# SPDX-License-Identifier: MIT

EAPI=8

PYTHON_COMPAT=( python3_{11..14} )
inherit genpack-ignore python-single-r1

DESCRIPTION="Programs of the lower layer: package scripts, closure and copy-up of an image"
HOMEPAGE="https://genpack.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"
REQUIRED_USE="${PYTHON_REQUIRED_USE}"

RDEPEND="
	${PYTHON_DEPS}
	app-arch/zstd
	$(python_gen_cond_dep '
		sys-apps/portage[${PYTHON_USEDEP}]
	')
"

src_install() {
	dobin "${FILESDIR}"/bin/*
	python_fix_shebang "${ED}"/usr/bin
	insinto /usr/lib/genpack/progs/genpack_progs
	doins "${FILESDIR}"/progs/genpack_progs/*.py

	local folder
	for folder in "${FILESDIR}"/package-scripts/*/*; do
		exeinto "/usr/lib/genpack/${folder#"${FILESDIR}"/}"
		doexe "${folder}"/*
	done
	# what the scripts of other repositories' packages copy
	for folder in "${FILESDIR}"/plugins/*/*; do
		insinto "/usr/lib/genpack/${folder#"${FILESDIR}"/}"
		doins "${folder}"/*.py
	done
}
