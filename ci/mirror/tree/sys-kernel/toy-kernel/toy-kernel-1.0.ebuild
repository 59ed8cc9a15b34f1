# SPDX-License-Identifier: MIT
EAPI=8

inherit kernel-build

DESCRIPTION="What a kernel leaves for those who build modules: its configuration and a folder"
HOMEPAGE="https://toy.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64"

src_configure() {
	echo "CONFIG_TOY=y" > default.config || die
	kernel-build_merge_configs default.config
}

src_compile() { :; }

src_install() {
	insinto /usr/src/linux-${PV}-toy
	doins .config
	insinto "/usr/src/linux-${PV}-toy/include/config"
	newins - kernel.release <<< "${PV}-toy"
	dosym "linux-${PV}-toy" /usr/src/linux
	insinto "/lib/modules/${PV}-toy"
	newins - modules.order <<< ""
}
