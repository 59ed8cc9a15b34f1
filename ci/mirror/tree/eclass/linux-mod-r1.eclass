# SPDX-License-Identifier: MIT
# @ECLASS: linux-mod-r1.eclass
# @BLURB: stand-in of Gentoo's: modules for the kernel whose sources are /usr/src/linux
case ${EAPI} in 8) ;; *) die "${ECLASS}: EAPI ${EAPI} is not supported" ;; esac

linux-mod-r1_pkg_setup() {
	KV_FULL=$(< "${EROOT}/usr/src/linux/include/config/kernel.release") || die "no kernel to build modules for"
}

# linux_domodule FILE...: installs modules for that kernel
linux_domodule() (
	insinto "/lib/modules/${KV_FULL}/extra"
	doins "$@"
)

EXPORT_FUNCTIONS pkg_setup
