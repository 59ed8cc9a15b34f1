# SPDX-License-Identifier: MIT
# @ECLASS: systemd.eclass
# @BLURB: stand-in of Gentoo's: where units go
case ${EAPI} in 8) ;; *) die "${ECLASS}: EAPI ${EAPI} is not supported" ;; esac

systemd_get_systemunitdir() { echo "${EPREFIX}/usr/lib/systemd/system"; }
systemd_get_utildir() { echo "${EPREFIX}/usr/lib/systemd"; }
systemd_dounit() (
	insopts -m 0644
	insinto /usr/lib/systemd/system
	doins "$@"
)
systemd_newunit() (
	insopts -m 0644
	insinto /usr/lib/systemd/system
	newins "$@"
)
systemd_enable_service() {
	local folder=/usr/lib/systemd/system/$1.wants
	dodir "${folder}"
	dosym "../$2" "${folder}/$2"
}
