# SPDX-License-Identifier: MIT

EAPI=8

PYTHON_COMPAT=( python3_{11..14} )
inherit python-single-r1 systemd

DESCRIPTION="wpa_supplicant on the first wireless interface, whatever its name"
HOMEPAGE="https://genpack.invalid/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm64 riscv x86"
REQUIRED_USE="${PYTHON_REQUIRED_USE}"

RDEPEND="
	${PYTHON_DEPS}
	net-wireless/wpa_supplicant
"

src_install() {
	newbin "${FILESDIR}"/wpa_supplicant_any80211.py wpa_supplicant_any80211
	python_fix_shebang "${ED}"/usr/bin
	systemd_dounit "${FILESDIR}"/wpa_supplicant_any80211.service
}
