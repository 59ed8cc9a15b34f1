# SPDX-License-Identifier: MIT

EAPI=8

inherit genpack-ignore

DESCRIPTION="dracut module that mounts a genpack image as the root file system"
HOMEPAGE="https://genpack.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"
IUSE="transient"

RDEPEND="
	app-arch/cpio
	sys-apps/kmod
	sys-apps/util-linux
	sys-fs/dosfstools
	sys-kernel/dracut
"

src_install() {
	insinto /usr/lib/dracut/modules.d/90genpack
	doins "${FILESDIR}"/90genpack/*
	fperms 755 /usr/lib/dracut/modules.d/90genpack/{module-setup,genpack-cmdline,genpack-mount,genpack-reboot}.sh
	if use transient; then
		echo 'genpack.transient=1' > "${T}"/transient.conf || die
		doins "${T}"/transient.conf
	fi
	insinto /usr/lib/dracut/dracut.conf.d
	doins "${FILESDIR}"/90-genpack.conf
}
