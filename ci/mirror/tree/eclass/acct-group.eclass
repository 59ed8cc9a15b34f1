# SPDX-License-Identifier: MIT
# @ECLASS: acct-group.eclass
# @BLURB: stand-in of Gentoo's: a sysusers.d file, and the group itself when the package is merged
case ${EAPI} in 8) ;; *) die "${ECLASS}: EAPI ${EAPI} is not supported" ;; esac
: "${ACCT_GROUP_ID:?}"

DESCRIPTION="System group: ${PN}"
HOMEPAGE="https://www.gentoo.org/glep/glep-0081.html"
S="${WORKDIR}"
LICENSE="GPL-2"
SLOT="0"
KEYWORDS="amd64"

acct-group_src_install() {
	insinto /usr/lib/sysusers.d
	echo "g ${PN} -" > "${T}/group.conf" || die
	newins "${T}/group.conf" "acct-group-${PN}.conf"
}

# The number is a wish, as on Gentoo: another group may hold it (Debian's voice is 22).
acct-group_pkg_preinst() {
	local options=( -r )
	getent group "${PN}" >/dev/null && return
	getent group "${ACCT_GROUP_ID}" >/dev/null || options+=( -g "${ACCT_GROUP_ID}" )
	groupadd "${options[@]}" "${PN}" || die
}

EXPORT_FUNCTIONS src_install pkg_preinst
