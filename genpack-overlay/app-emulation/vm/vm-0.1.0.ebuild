# SPDX-License-Identifier: MIT

EAPI=8

DISTUTILS_SINGLE_IMPL=1
DISTUTILS_USE_PEP517=hatchling
PYTHON_COMPAT=( python3_{11..14} )
inherit distutils-r1

# A version X.Y.Z_pN is built from a source tree: N tells one state of the tree from the next.
MY_PV=${PV%_p*}

DESCRIPTION="Runs and manages genpack images in QEMU"
HOMEPAGE="https://genpack.invalid/"
SRC_URI="https://genpack.invalid/dist/genpack_vm-${PV}.tar.gz"
S="${WORKDIR}/genpack_vm-${MY_PV}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"

RDEPEND="
	app-emulation/qemu
	net-misc/openssh
	sys-fs/btrfs-progs
	sys-fs/squashfuse[lz4,lzma,lzo,zlib,zstd]
	$(python_gen_cond_dep '
		dev-python/lxml[${PYTHON_USEDEP}]
		dev-python/python-magic[${PYTHON_USEDEP}]
		dev-python/qemu-qmp[${PYTHON_USEDEP}]
		dev-python/typer[${PYTHON_USEDEP}]
		dev-python/zstandard[${PYTHON_USEDEP}]
	')
"
