# SPDX-License-Identifier: MIT
# @ECLASS: acct-user.eclass
# @BLURB: stand-in of Gentoo's: a sysusers.d file, and the user itself when the package is merged
case ${EAPI} in 8) ;; *) die "${ECLASS}: EAPI ${EAPI} is not supported" ;; esac
: "${ACCT_USER_ID:?}"
: "${ACCT_USER_HOME:=/dev/null}"
: "${ACCT_USER_SHELL:=/sbin/nologin}"

DESCRIPTION="System user: ${PN}"
HOMEPAGE="https://www.gentoo.org/glep/glep-0081.html"
S="${WORKDIR}"
LICENSE="GPL-2"
SLOT="0"
KEYWORDS="amd64"
RDEPEND="acct-group/${PN}"
DEPEND="acct-group/${PN}"

acct-user_src_install() {
	insinto /usr/lib/sysusers.d
	echo "u ${PN} - \"${PN}\" ${ACCT_USER_HOME} ${ACCT_USER_SHELL}" > "${T}/user.conf" || die
	newins "${T}/user.conf" "acct-user-${PN}.conf"
}

acct-user_pkg_preinst() {
	local options=( -r -M -g "${PN}" -d "${ACCT_USER_HOME}" -s "${ACCT_USER_SHELL}" -c "${PN}" )
	getent passwd "${PN}" >/dev/null && return
	getent passwd "${ACCT_USER_ID}" >/dev/null || options+=( -u "${ACCT_USER_ID}" )
	useradd "${options[@]}" "${PN}" || die
}

EXPORT_FUNCTIONS src_install pkg_preinst
