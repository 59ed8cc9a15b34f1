# SPDX-License-Identifier: MIT

EAPI=8

DISTUTILS_SINGLE_IMPL=1
DISTUTILS_USE_PEP517=hatchling
PYTHON_COMPAT=( python3_{11..14} )
inherit distutils-r1 systemd

# A version X.Y.Z_pN is built from a source tree: N tells one state of the tree from the next.
MY_PV=${PV%_p*}

DESCRIPTION="Updates the system that it runs in, and puts images on other disks"
HOMEPAGE="https://genpack.invalid/"
SRC_URI="https://genpack.invalid/dist/${PN//-/_}-${PV}.tar.gz"
S="${WORKDIR}/${PN//-/_}-${MY_PV}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"

RDEPEND="
	app-crypt/gnupg
	sys-apps/util-linux
	sys-fs/btrfs-progs
	sys-fs/dosfstools
	sys-fs/squashfs-tools[lzma(+),lzo(+),zstd(+)]
	$(python_gen_cond_dep '
		dev-python/typer[${PYTHON_USEDEP}]
	')
"

src_install() {
	distutils-r1_src_install
	systemd_dounit "${FILESDIR}"/genpack-boot-{complete,timeout}.service "${FILESDIR}"/genpack-boot-timeout.timer
	insinto /usr/lib/genpack-init
	doins "${FILESDIR}"/plugins/*.py
}
