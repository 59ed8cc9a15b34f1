# SPDX-License-Identifier: MIT
# @ECLASS: udev.eclass
# @BLURB: stand-in of Gentoo's: where rules go
case ${EAPI} in 8) ;; *) die "${ECLASS}: EAPI ${EAPI} is not supported" ;; esac

get_udevdir() { echo "${EPREFIX}/usr/lib/udev"; }
udev_dorules() (
	insopts -m 0644
	insinto /usr/lib/udev/rules.d
	doins "$@"
)
udev_newrules() (
	insopts -m 0644
	insinto /usr/lib/udev/rules.d
	newins "$@"
)
# rules are read when the image boots
udev_reload() { :; }
