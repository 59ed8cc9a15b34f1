# SPDX-License-Identifier: MIT

EAPI=8

DESCRIPTION="Compiler, linker and debugger in a genpack image"
HOMEPAGE="https://genpack.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"

RDEPEND="
	dev-build/make
	dev-debug/gdb
	dev-util/pkgconf
	sys-devel/binutils
	sys-devel/gcc
	sys-devel/patch
	sys-kernel/linux-headers
"
