# SPDX-License-Identifier: MIT
EAPI=8

inherit linux-mod-r1

DESCRIPTION="What stands for a kernel module: a file that belongs to one kernel"
HOMEPAGE="https://toy.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"

RDEPEND="sys-kernel/toy-kernel"
DEPEND="sys-kernel/toy-kernel"

src_install() {
	echo "for ${KV_FULL}" > toy.ko || die
	linux_domodule toy.ko
}
