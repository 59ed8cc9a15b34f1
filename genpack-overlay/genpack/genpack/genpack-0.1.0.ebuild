# SPDX-License-Identifier: MIT

EAPI=8

DISTUTILS_SINGLE_IMPL=1
DISTUTILS_USE_PEP517=hatchling
PYTHON_COMPAT=( python3_{11..14} )
inherit distutils-r1

# A version X.Y.Z_pN is built from a source tree: N tells one state of the tree from the next.
MY_PV=${PV%_p*}

DESCRIPTION="Builds operating system images: one definition, one SquashFS file"
HOMEPAGE="https://genpack.invalid/"
SRC_URI="https://genpack.invalid/dist/${PN}-${PV}.tar.gz"
S="${WORKDIR}/${PN}-${MY_PV}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"

RDEPEND="
	app-crypt/gnupg
	dev-vcs/git
	sys-apps/systemd
	sys-fs/dosfstools
	sys-fs/mtools
	sys-fs/squashfs-tools[lz4,lzma,lzo,xattr,zstd]
	$(python_gen_cond_dep '
		dev-python/typer[${PYTHON_USEDEP}]
	')
"
