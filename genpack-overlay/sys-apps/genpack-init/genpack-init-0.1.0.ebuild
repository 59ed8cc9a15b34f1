# SPDX-License-Identifier: MIT

EAPI=8

DISTUTILS_EXT=1
DISTUTILS_SINGLE_IMPL=1
DISTUTILS_USE_PEP517=scikit-build-core
PYTHON_COMPAT=( python3_{11..14} )
inherit distutils-r1

# A version X.Y.Z_pN is built from a source tree: N tells one state of the tree from the next.
MY_PV=${PV%_p*}

DESCRIPTION="PID 1 of genpack images: applies system.ini, then starts init"
HOMEPAGE="https://genpack.invalid/"
SRC_URI="https://genpack.invalid/dist/${PN//-/_}-${PV}.tar.gz"
S="${WORKDIR}/${PN//-/_}-${MY_PV}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"
IUSE="exec-guard"

RDEPEND="
	sys-apps/kmod
	exec-guard? (
		dev-libs/libbpf:=
		sys-process/audit
	)
"
DEPEND="
	exec-guard? ( dev-libs/libbpf:= )
	$(python_gen_cond_dep '
		dev-python/pybind11[${PYTHON_USEDEP}]
	')
"
BDEPEND="
	exec-guard? ( llvm-core/clang[llvm_targets_BPF(+)] )
	$(python_gen_cond_dep '
		dev-python/pybind11[${PYTHON_USEDEP}]
	')
"

python_configure_all() {
	DISTUTILS_ARGS=( -DGENPACK_INIT_EXEC_GUARD=$(usex exec-guard ON OFF) )
}

python_install_all() {
	distutils-r1_python_install_all
	use exec-guard || return 0
	insinto /usr/lib/genpack-init
	doins "${FILESDIR}"/99-exec_guard.py
	exeinto /usr/lib/systemd/system-shutdown
	doexe "${FILESDIR}"/exec-guard.shutdown
}
